package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// offered is more UDP for each of some stations than a cell carries: 1514 bytes
// on the wire for each in turn, every step.
type offered struct {
	flows []*pkt.Flow
	step  time.Duration
	until pkt.Time
	n     int
}

// Next implements sim.Source.
func (o *offered) Next(p *pkt.Packet) (bool, error) {
	at := pkt.Time(time.Duration(o.n/len(o.flows)) * o.step)
	if at > o.until {
		return false, nil
	}
	*p = pkt.Packet{ID: uint64(o.n), Arrival: at, Flow: o.flows[o.n%len(o.flows)], Len: 1514, L3Len: 1500, HdrLen: 28, Segs: 1}
	o.n++
	return true, nil
}

// carried counts the bytes that reach each destination in a span.
type carried struct {
	from, to pkt.Time
	bytes    map[netip.Addr]uint64
}

// Event implements egress.Sink.
func (c *carried) Event(e egress.Event) {
	if e.Kind == egress.Deliver {
		_, dst := e.Packet.Flow.Addrs()
		c.add(dst, e.Time, uint64(e.Packet.L3Len))
	}
}

func (c *carried) add(dst netip.Addr, at pkt.Time, n uint64) {
	if at >= c.from && at < c.to {
		c.bytes[dst] += n
	}
}

// mbit is what a destination got, in Mbit/s.
func (c *carried) mbit(dst netip.Addr) float64 {
	return float64(c.bytes[dst]) * 8 / 1e6 / c.to.Sub(c.from).Seconds()
}

// saturated is what each station gets in the simulation when there is always
// something for it.
func saturated(t *testing.T, conf egress.Config, stations []netip.Addr) *carried {
	t.Helper()
	c := &carried{from: pkt.Time(500 * time.Millisecond), to: pkt.Time(1500 * time.Millisecond), bytes: map[netip.Addr]uint64{}}
	src := &offered{step: 20 * time.Microsecond, until: c.to}
	for i, a := range stations {
		k := pkt.FlowKey{SrcPort: 1, DstPort: uint16(i), Proto: pkt.ProtoUDP}
		k.SetAddrs(netip.MustParseAddr("10.0.1.2"), a)
		src.flows = append(src.flows, pkt.NewFlow(k, uint32(i), conf.Seed))
	}
	var pool pkt.Pool
	port, err := testPorts.Port(conf, c, &pool)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Run(src, port, &pool); err != nil {
		t.Fatal(err)
	}
	return c
}

// fromTrace counts what a live trace says was let go.
func (c *carried) fromTrace(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := traces.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var rec traces.Record
	for err = r.Next(&rec); err == nil; err = r.Next(&rec) {
		if _, dst := rec.Flow.Addrs(); rec.Verdict == traces.Accept {
			c.add(dst, rec.Due, uint64(rec.Len))
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

// TestLiveWifi has real TCP through a live access point's medium: each station
// gets the rate that the model gives it, every packet leaves as the simulation
// has it. What the machine had no time for is missing from the rates, so that
// the test demands little; make bench-wifi prints what was reached in a longer run.
func TestLiveWifi(t *testing.T) {
	if err := netns.Available(); err != nil {
		t.Skip(err)
	}
	const cell = "wifi vht80 5ghz sta 10.0.2.2 mcs9 nss2 sgi sta 10.0.2.3 mcs7 nss2 sgi sta 10.0.2.4 mcs4 nss2 sgi"
	stations, _ := netns.StationAddresses(3)
	seconds := soakSeconds(t, 3)
	for _, qdisc := range []string{"mac80211 airtime", "mac80211"} {
		file := filepath.Join(t.TempDir(), "t.zst")
		code, out, errs := runUq("record", "-o", file, "--json", "--lab", "--stations", "3", "--traffic", "bulk", "--bottleneck", "none",
			"--duration", fmt.Sprint(seconds, "s"), "--qdisc", qdisc, "--link", cell)
		if code != 0 {
			t.Fatalf("%s: exit %d\n%s", qdisc, code, errs)
		}
		var rep recordReport
		if err := json.Unmarshal([]byte(out), &rep); err != nil {
			t.Fatal(err)
		}
		model := saturated(t, egress.Config{Qdisc: qdisc, Link: cell, Seed: 1}, stations)
		// TCP needs its first second to find the rate.
		live := &carried{from: 1e9, to: pkt.Time(seconds) * 1e9, bytes: map[netip.Addr]uint64{}}
		live.fromTrace(t, file)
		var sum float64
		for _, a := range stations {
			got, want := live.mbit(a), model.mbit(a)
			if got < want/4 || got > 1.1*want {
				t.Errorf("%s: station %s got %.0f Mbit/s, the model gives %.0f", qdisc, a, got, want)
			}
			t.Logf("%s: station %s got %.1f Mbit/s, the model gives %.1f: %.1f %%", qdisc, a, got, want, 100*got/want)
			sum += got
		}
		late := rep.Record.VerdictLatencyNs
		t.Logf("%s: %.0f Mbit/s of TCP in all; released late by %d us (median), %d (99 %%), %d (most)", qdisc, sum, late.P50/1000, late.P99/1000, late.Max/1000)
		if code, out, errs := runUq("verify", file); code != 0 {
			t.Errorf("verify: exit %d\n%s%s", code, out, errs)
		} else {
			t.Log(strings.TrimSpace(out))
		}
	}
}
