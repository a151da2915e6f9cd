package replay

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nft"
	"github.com/uqtool/uq/replay/raw"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// onLoopback schedules what rule matches while drive runs, and a second longer.
func onLoopback(t *testing.T, spec string, rule nft.Rule, drive func()) (Result, []byte) {
	t.Helper()
	livetest.SetLoopbackMTU(t, 1500)
	q, err := nfq.Open(nfq.Config{Queue: rule.Queue, CopyRange: nfq.MaxCopyRange})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = q.Close() }()
	conf := traces.Scheduler{Qdisc: "fq_codel", Link: spec, Seed: 1}
	clock := record.StartClock()
	h := record.NewHeader(clock, traces.Capture{Queue: rule.Queue, Mode: "test"})
	h.Scheduler = &conf
	var file bytes.Buffer
	w, err := traces.NewWriter(&file, h, traces.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLive(q, LiveOptions{Clock: clock, Ports: ports, Scheduler: conf, LinkHeader: 14, MTU: 1500, CEMark: 1})
	if err != nil {
		t.Fatal(err)
	}
	table, err := nft.Install(rule)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = table.Remove() }()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(0, func() { drive(); time.Sleep(time.Second); cancel() })
	res, err := l.Run(ctx, w)
	if err != nil || res.Losses.Any() || res.Unfinished > 0 {
		t.Fatalf("%v: %+v", err, res)
	}
	if v, err := verify(t, file.Bytes()); err != nil || v.Divergence != nil || !v.Complete || v.Copies != res.Rewrites.Copies || v.Corrupted != res.Rewrites.Corrupted {
		t.Errorf("verify: %+v, %v", v, err)
	}
	c, err := table.Counter(0)
	supers := rule.Proto == pkt.ProtoTCP // which a rule counts whole
	if err != nil || c.Packets != res.Packets+res.Rewrites.Returned && !supers {
		t.Errorf("the rule counted %d packets, %v; %d arrived, %d copies came again", c.Packets, err, res.Packets, res.Rewrites.Returned)
	}
	return res, file.Bytes()
}

// inErrors is how many packets of a protocol this namespace's stack found damaged.
func inErrors(t *testing.T, proto string) (n int) {
	t.Helper()
	column := map[string]int{}
	snmp, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(snmp)) {
		f := strings.Fields(line)
		if f[0] != proto+":" {
			continue
		}
		if len(column) == 0 {
			for i, name := range f {
				column[name] = i
			}
			continue
		}
		for _, name := range []string{"InErrors", "InErrs"} { // UDP's and TCP's
			if i, ok := column[name]; ok {
				n, err = strconv.Atoi(f[i])
			}
		}
	}
	if len(column) == 0 || err != nil {
		t.Fatalf("no errors of %s in %s", proto, snmp)
	}
	if proto == "Udp" {
		n += in6Errors(t)
	}
	return n
}

// in6Errors is that of UDP over IPv6.
func in6Errors(t *testing.T) int {
	t.Helper()
	snmp6, err := os.ReadFile("/proc/net/snmp6")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(snmp6), "\nUdp6InErrors")
	n, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// numbered is a datagram that tells its number in every word.
func numbered(i int) []byte {
	b := make([]byte, 8+4*(i%300))
	for at := 0; at < len(b); at += 4 {
		binary.BigEndian.PutUint32(b[at:], uint32(i))
	}
	return b
}

// met counts datagrams by number, and those that are not as they were sent.
type met struct {
	times   map[int]int
	damaged int
	total   int
}

// meet sends n datagrams over either family and returns what was received.
func meet(t *testing.T, n int, run func(send func())) met {
	t.Helper()
	m := met{times: map[int]int{}}
	got := make(chan []byte, 4*n)
	var senders []net.Conn
	for _, host := range []string{"127.0.0.1", "::1"} {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host), Port: 4001})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetReadBuffer(8 << 20)
		go func() {
			buf := make([]byte, 2000)
			for {
				k, err := c.Read(buf)
				if err != nil {
					return
				}
				got <- bytes.Clone(buf[:k])
			}
		}()
		s, err := net.Dial("udp", net.JoinHostPort(host, "4001"))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		senders = append(senders, s)
	}
	run(func() {
		for i := range n {
			if _, err := senders[i%2].Write(numbered(i)); err != nil {
				t.Error(err)
			}
			if i%8 == 7 {
				time.Sleep(time.Millisecond)
			}
		}
	})
	for len(got) > 0 {
		b := <-got
		m.total++
		if i := int(binary.BigEndian.Uint32(b)); !bytes.Equal(b, numbered(i)) {
			m.damaged++
		} else {
			m.times[i]++
		}
	}
	return m
}

// TestLiveRewrites sends datagrams over IPv4 and IPv6 through a link that copies
// and corrupts them. The receiver meets the originals and the copies that the
// account says were sent, and the kernel finds those damaged that it says were
// corrupted. Copies that meet the queue again are told from arrivals.
func TestLiveRewrites(t *testing.T) {
	const n = 3000
	for name, except := range map[string]uint32{"excepted": raw.Mark, "returning": 0} {
		t.Run(name, func(t *testing.T) {
			livetest.Test(t, func(t *testing.T) {
				rule := nft.Rule{Hook: nft.Output, Proto: pkt.ProtoUDP, Queue: 60, Except: except}
				var res Result
				var trace []byte
				before := inErrors(t, "Udp")
				m := meet(t, n, func(send func()) {
					res, trace = onLoopback(t, "rate 100mbit delay 4ms 3ms loss 5% duplicate 10% corrupt 5% front duplicate 5%", rule, send)
				})
				rw := res.Rewrites
				if rw.Copies < n/10 || rw.Corrupted < n/40 || rw.Copies != rw.Sent+rw.Lost || len(rw.Unchanged) > 0 {
					t.Errorf("%v", rw)
				}
				if (rw.Returned == rw.Sent) != (except == 0) || except != 0 && rw.Returned > 0 {
					t.Errorf("%d copies came again of %d", rw.Returned, rw.Sent)
				}
				delivered := int(res.Run.Delivered)
				if delivered != m.total+inErrors(t, "Udp")-before || m.total != delivered-int(rw.Corrupted) || m.damaged > 0 {
					t.Errorf("%d received, of them %d damaged, %d refused by the kernel; %d left, %d of them corrupted: %v",
						m.total, m.damaged, inErrors(t, "Udp")-before, delivered, rw.Corrupted, rw)
				}
				checkMet(t, m, trace)
			})
		})
	}
}

// checkMet holds what was received against the trace: a packet that was not
// copied is met once, unless it was dropped or corrupted.
func checkMet(t *testing.T, m met, trace []byte) {
	t.Helper()
	r, err := traces.NewReader(bytes.NewReader(trace))
	if err != nil {
		t.Fatal(err)
	}
	// The datagrams of either family come in order, the even and the odd ones.
	next := map[bool]int{false: 0, true: 1}
	var rec traces.Record
	for r.Next(&rec) == nil {
		i := next[rec.Flow.V6]
		next[rec.Flow.V6] += 2
		once := rec.Verdict == traces.Accept && rec.Info&traces.Corrupted == 0
		least, most := 0, 0
		if once {
			least, most = 1, 1
		}
		if rec.Info&traces.Copied != 0 {
			most += 3 // in front, and of both behind
		}
		if n := m.times[i]; n < least || n > most {
			t.Errorf("datagram %d, %v, info %v: met %d times", i, rec.Verdict, rec.Info, n)
		}
	}
}

// TestLiveRewritesTCP sends a stream through such a link: it arrives whole, and TCP
// finds what was corrupted, but for headers that claim to be longer than their
// packets, which the kernel drops without counting.
func TestLiveRewritesTCP(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		data := make([]byte, 3<<20)
		rng := rand.NewChaCha8([32]byte{1})
		_, _ = rng.Read(data)
		ln, err := net.Listen("tcp", "127.0.0.1:4002")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		var same atomic.Bool
		before := inErrors(t, "Tcp")
		rule := nft.Rule{Hook: nft.Output, Proto: pkt.ProtoTCP, Port: 4002, Queue: 61, Except: raw.Mark}
		res, _ := onLoopback(t, "rate 100mbit delay 1ms duplicate 10% corrupt 2%", rule, func() {
			if err := transfer(ln, data, &same); err != nil {
				t.Error(err)
			}
		})
		rw, errs := res.Rewrites, uint64(inErrors(t, "Tcp")-before)
		if !same.Load() || rw.Sent != rw.Copies || rw.Copies < 100 || rw.Corrupted < 20 || errs > rw.Corrupted || errs < rw.Corrupted*9/10 {
			t.Errorf("arrived whole: %v; %v; TCP found %d damaged", same.Load(), rw, errs)
		}
	})
}

// transfer sends data over a connection and compares what arrives.
func transfer(ln net.Listener, data []byte, same *atomic.Bool) error {
	sent := make(chan error, 1)
	go func() {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err == nil {
			_, err = c.Write(data)
			err = errors.Join(err, c.Close())
		}
		sent <- err
	}()
	c, err := ln.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(40 * time.Second))
	got, err := io.ReadAll(c)
	if err != nil {
		return fmt.Errorf("after %d bytes: %w", len(got), err)
	}
	same.Store(bytes.Equal(got, data))
	return <-sent
}
