package metrics

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/traces"
)

func TestParseAddr(t *testing.T) {
	for in, want := range map[string]string{
		"9108": "127.0.0.1:9108", ":9108": "127.0.0.1:9108", ":0": "127.0.0.1:0",
		"0.0.0.0:9108": "0.0.0.0:9108", "[::]:9108": "[::]:9108", "[::1]:1": "[::1]:1", "localhost:80": "localhost:80",
	} {
		if got, err := ParseAddr(in); got != want || err != nil {
			t.Errorf("%q: %q, %v: want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "here", "10.0.0.1", "65536", ":http", "::1:9108", "10.0.0.1:-1"} {
		if got, err := ParseAddr(in); err == nil {
			t.Errorf("%q: %q, want an error", in, got)
		}
	}
}

// serve starts a server for r and returns its address.
func serve(t *testing.T, r *Recording) (*Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Serve(l, r)
	if err != nil {
		t.Fatal(err)
	}
	return s, l.Addr().String()
}

// scrape reads the metrics as text: name with labels, and value.
func scrape(t *testing.T, addr string) map[string]float64 {
	t.Helper()
	res, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("status %s", res.Status)
	}
	got := map[string]float64{}
	for s := bufio.NewScanner(res.Body); s.Scan(); {
		line := s.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		got[line[:i]] = v
	}
	return got
}

// TestScrape sets every count and finds it again.
func TestScrape(t *testing.T) {
	r := New(Info{Version: "1", Queue: "7", Mode: "lab", Qdisc: "fq_codel", Link: "rate 1mbit"})
	s, addr := serve(t, r)
	defer s.Close()
	r.Meter.Arrived(12)
	r.Meter.Decided(traces.Accept, 5)
	r.Meter.Decided(traces.Drop, 2)
	r.Meter.Decided(traces.MarkCE, 1)
	r.Meter.Late(-5, 1)
	r.Meter.Late(1500*time.Nanosecond, 6)
	r.Meter.Late(time.Hour, 1)
	r.Update(record.Progress{
		Counts: record.Counts{Packets: 12, Bytes: 1300, Losses: record.Losses{
			Missing: 1, Overflows: 2, QueueFull: 3, Gone: 4, Refused: 5, Unparsed: 6, Records: 7}},
		Elapsed: 1500 * time.Millisecond, Written: traces.WriterStats{Records: 8, Bytes: 90}, Err: errors.New("full"),
	})
	got := scrape(t, addr)
	for name, want := range map[string]float64{
		`uq_recording_info{link="rate 1mbit",mode="lab",qdisc="fq_codel",queue="7",version="1"}`: 1,
		`uq_packets_total`: 12, `uq_bytes_total`: 1300, `uq_backlog_packets`: 4,
		`uq_verdicts_total{verdict="accept"}`: 5, `uq_verdicts_total{verdict="drop"}`: 2, `uq_verdicts_total{verdict="mark_ce"}`: 1,
		`uq_losses_total{kind="id_gap"}`: 1, `uq_losses_total{kind="enobufs"}`: 2, `uq_losses_total{kind="queue_full"}`: 3,
		`uq_losses_total{kind="kernel_flush"}`: 4, `uq_losses_total{kind="verdicts_refused"}`: 5,
		`uq_losses_total{kind="undecodable"}`: 6, `uq_losses_total{kind="writer_overrun"}`: 7,
		`uq_trace_records_total`: 8, `uq_trace_bytes_total`: 90, `uq_trace_failed`: 1, `uq_recording_seconds`: 1.5,
		`uq_verdict_lateness_seconds_count`: 8, `uq_verdict_lateness_seconds_bucket{le="+Inf"}`: 8,
		`uq_verdict_lateness_seconds_bucket{le="1.024e-06"}`: 1, `uq_verdict_lateness_seconds_bucket{le="2.048e-06"}`: 7,
		`uq_verdict_lateness_seconds_sum`: 3600.000009,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s: %v, there %v, want %v", name, v, ok, want)
		}
	}
	for name := range got {
		if !strings.HasPrefix(name, "uq_") {
			t.Errorf("%s: not ours", name)
		}
	}
}

// TestTwoRecordings: nothing is global.
func TestTwoRecordings(t *testing.T) {
	a, b := New(Info{}), New(Info{})
	sa, addrA := serve(t, a)
	defer sa.Close()
	sb, addrB := serve(t, b)
	defer sb.Close()
	a.Update(record.Progress{Counts: record.Counts{Packets: 3}})
	if x, y := scrape(t, addrA)["uq_packets_total"], scrape(t, addrB)["uq_packets_total"]; x != 3 || y != 0 {
		t.Errorf("%v and %v packets", x, y)
	}
}

// TestClose: the port is free afterwards, and a client that never finishes its
// request keeps nobody from the end.
func TestClose(t *testing.T) {
	s, addr := serve(t, New(Info{}))
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Fatal("Close hangs")
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	l.Close()
}

// TestLateBounds: a value is in the bucket whose bound is the next above it.
func TestLateBounds(t *testing.T) {
	for i := range record.LateBuckets - 1 {
		for _, d := range []time.Duration{record.LateBound(i) - 1, record.LateBound(i) / 2} {
			var m record.Meter
			m.Late(d, 1)
			if r := m.Read(); r.Late[i] != 1 {
				t.Errorf("%v: not in bucket %d: %v", d, i, r.Late)
			}
		}
	}
}
