package report

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/report/svg"
	schedulers "github.com/uqtool/uq/sim/sched/builtin"
)

// cell has every kind of use of the medium: a slow station, one that sends and
// loses frames, one that sleeps, and packets for all.
const cell = "wifi ht20 2.4ghz beacon 102.4ms dtim 2 rtscts 3000 sta 10.0.0.2 mcs15 sgi error 10% sta 10.0.0.3 mcs0 sta 10.0.0.4 mcs7 sleep 2 sends be 1500 5ms"

// ether is what a driver's cell is asked for in a second: packets for each
// station and for all, and some from the first one.
func ether(port *egress.Port, pool *pkt.Pool) {
	rng := random.Stream(1, "report/wifi")
	host := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }
	away := netip.MustParseAddr("192.0.2.1")
	var flows []*pkt.Flow
	for i, ends := range [][2]netip.Addr{
		{away, host(2)}, {away, host(3)}, {away, host(4)}, {host(2), away}, {away, netip.MustParseAddr("224.0.0.251")},
	} {
		k := pkt.FlowKey{Proto: pkt.ProtoUDP, SrcPort: 9, DstPort: uint16(i)}
		k.SetAddrs(ends[0], ends[1])
		flows = append(flows, pkt.NewFlow(k, uint32(i), 1))
	}
	for i, at := 0, pkt.Time(0); at < pkt.Time(time.Second); i++ {
		p := pool.Get()
		p.ID, p.Arrival, p.Flow = uint64(i), at, flows[[]int{0, 0, 1, 2, 0, 3, 0, 0, 3, 4}[i%10]]
		p.L3Len, p.Segs, p.HdrLen = uint32(100+rng.IntN(1401)), 1, 28
		p.Len = p.L3Len + 14
		port.Enqueue(at, p)
		at += pkt.Time(rng.IntN(700_000))
	}
	port.Drain()
}

// onAir runs that under each qdisc, and logs a stretch of the medium.
func onAir(t *testing.T, link string, qdiscs ...string) *Report {
	t.Helper()
	ports := egress.Maker{Qdiscs: schedulers.Kinds()}
	r := &Report{Format: Format, Trace: "t.zst", Loop: OpenLoop, GSO: "whole", Seed: 1, Link: link}
	for _, q := range qdiscs {
		c, pool := NewCollector(), &pkt.Pool{}
		port, err := ports.Port(egress.Config{Qdisc: q, Link: link, Seed: 1}, c, pool)
		if err != nil {
			t.Fatal(err)
		}
		c.WatchCell(port.Link())
		log := NewAirLog(port.Link(), 400e6, 440e6)
		ether(port, pool)
		if pool.Out() != 0 {
			t.Errorf("%s: %d packets did not come back", q, pool.Out())
		}
		run := NewRun(port, c, 0)
		run.Air = log
		r.Runs = append(r.Runs, run)
	}
	return r
}

// TestWiFi checks the medium's part of a report against itself and the rest.
func TestWiFi(t *testing.T) {
	for _, run := range onAir(t, cell, "pfifo", "fq_codel", "mac80211", "mac80211 airtime aql").Runs {
		w := run.WiFi
		sum, shares := 0.0, 0.0
		for _, u := range w.Time {
			sum, shares = sum+u.Us, shares+u.Share
		}
		if math.Abs(sum-w.SpanUs) > 1e-3 || math.Abs(shares-1) > 1e-9 {
			t.Errorf("%s: the uses of the medium sum to %.3f us of %.3f, %.9f", run.Line, sum, w.SpanUs, shares)
		}
		var arrived, delivered, bytes uint64
		airtime := 0.0
		for i := range w.Stations {
			s := &w.Stations[i]
			for _, d := range []*WiFiDirection{&s.Down, &s.Up} {
				arrived, delivered, bytes = arrived+d.Arrived-d.Own, delivered+d.Delivered-d.Own, bytes+d.Bytes-1500*d.Own
				ppdus := uint64(0)
				for _, a := range d.Aggregates {
					ppdus += a.PPDUs
				}
				if ppdus != d.PPDUs {
					t.Errorf("%s: %s: %d PPDUs by size, %d in all", run.Line, s.Address, ppdus, d.PPDUs)
				}
			}
			airtime += s.Share
		}
		own := w.Stations[2].Up
		if own.Own != own.Delivered || own.Bytes != 1500*own.Own || own.Latency.P50 != nil || own.Own+5 < uint64(w.SpanUs/5000) ||
			math.Abs(own.Throughput-2.4e6) > 0.06e6 {
			t.Errorf("%s: a packet of 1500 bytes in 5 ms, of the station's own, but for the last few: %+v in %.0f us", run.Line, own, w.SpanUs)
		}
		if lossy, clean := &w.Stations[0], &w.Stations[1]; lossy.Down.Retries == 0 || lossy.Up.Retries == 0 || lossy.Retries != lossy.Down.Retries+lossy.Up.Retries || clean.Up.Retries != 0 {
			t.Errorf("%s: retries %d down, %d up, %d in all", run.Line, lossy.Down.Retries, lossy.Up.Retries, lossy.Retries)
		}
		if arrived != run.ArrivedPackets || delivered != run.Delivered || bytes != run.DeliveredBytes || math.Abs(airtime-1) > 1e-9 {
			t.Errorf("%s: stations have %d arrived, %d delivered, %d bytes, %.9f of the airtime; in all %d, %d, %d", run.Line, arrived, delivered, bytes, airtime, run.ArrivedPackets, run.Delivered, run.DeliveredBytes)
		}
		if w.Stations[0].Up.Delivered == 0 || w.Stations[2].Up.PPDUs == 0 || w.Stations[3].Down.Delivered == 0 || w.Beacons == 0 {
			t.Errorf("%s: nothing went up, or to all: %+v", run.Line, w)
		}
	}
}

// TestWiFiWords compares the words with what a reader has judged, and checks that
// other links have none of them.
func TestWiFiWords(t *testing.T) {
	r := onAir(t, cell, "pfifo", "mac80211 airtime")
	var b strings.Builder
	r.wifi(&b)
	golden(t, "testdata/wifi.txt", []byte(b.String()))
	b.Reset()
	r = onAir(t, "wifi sta 10.0.0.2 mcs7 delay 1ms", "pfifo")
	if r.wifi(&b); !strings.Contains(b.String(), "station 10.0.0.2, ht20 mcs7") {
		t.Errorf("impairments behind a cell hide it:\n%s", b.String())
	}
	if got := fmt.Sprint(r.Runs[0].WiFi.Notes()); !strings.Contains(got, "packets are for addresses that no station has: they go to the last one, 10.0.0.2") {
		t.Errorf("notes %s", got)
	}
	b.Reset()
	port, c := play(t, "pfifo")
	r = &Report{Runs: []*Run{NewRun(port, c, 0)}}
	if r.wifi(&b); b.String() != "" || r.Timeline(svg.Paper, 720) != nil || NewAirLog(port.Link(), 0, 1) != nil {
		t.Errorf("a wire has stations:\n%s", b.String())
	}
}

// TestWaiting checks that packets are told of that the medium never has room for,
// since stations that always send collide for ever.
func TestWaiting(t *testing.T) {
	const starving = "wifi ht20 sta_edca be cwmin 0 cwmax 0 sta 10.0.0.2 mcs7 sends be 1500 sta 10.0.0.3 mcs7 sends be 1500 sta 10.0.0.4 mcs7"
	for link, kept := range map[string]bool{starving: true, cell: false} {
		c, pool := NewCollector(), &pkt.Pool{}
		port, err := egress.Maker{Qdiscs: schedulers.Kinds()}.Port(egress.Config{Qdisc: "pfifo limit 50", Link: link, Seed: 1}, c, pool)
		if err != nil {
			t.Fatal(err)
		}
		c.WatchCell(port.Link())
		ether(port, pool)
		r := &Report{Runs: []*Run{NewRun(port, c, 0)}}
		run := r.Runs[0]
		var b strings.Builder
		r.wifi(&b)
		told := fmt.Sprintf("pfifo: packets that still waited for the medium at the end: %d\n", run.WiFi.Waiting)
		if left := run.ArrivedPackets - run.Delivered - run.Dropped - uint64(run.Qlen); run.WiFi.Waiting != left || (left > 0) != kept || strings.Contains(b.String(), told) != kept {
			t.Errorf("%s: %d packets are left, %d told of:\n%s", link, left, run.WiFi.Waiting, b.String())
		}
	}
}

// TestBrief checks the labels of rows.
func TestBrief(t *testing.T) {
	for name, want := range map[string]string{
		"10.0.0.2": "10.0.0.2", "255.255.255.255/32": "255.255.255.255/32", "10.0.0.2,fd00::2": "10.0.0.2",
		"fb03:c183:8188:1fc:3810:203f:ef7f:d003": "fb03:c18..f7f:d003",
	} {
		if got := brief(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// TestTimeline compares the picture of 40 ms of the medium with what a reader has
// judged; drawn again, and for a page, it has the same boxes.
func TestTimeline(t *testing.T) {
	r := onAir(t, cell, "pfifo", "mac80211 airtime")
	d := r.Timeline(svg.Paper, 720).String()
	golden(t, "testdata/timeline.svg", []byte(d))
	if again := onAir(t, cell, "pfifo", "mac80211 airtime").Timeline(svg.Paper, 720).String(); again != d {
		t.Error("drawn again it differs")
	}
	page := r.Timeline(svg.Page("x"), 720).String()
	if boxes := strings.Count(d, "<title>"); boxes < 50 || strings.Count(page, "<title>") != boxes || strings.Contains(page, "#0072b2") {
		t.Errorf("%d boxes on paper, %d on a page", boxes, strings.Count(page, "<title>"))
	}
	for _, kind := range []string{"down", "up", "response", "protection", "contention"} {
		if !bytes.Contains([]byte(d), []byte(kind+", ")) {
			t.Errorf("no %s in the picture", kind)
		}
	}
}
