package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/replay/netns"
)

// freePort is a port of the loopback that nobody has, and that the kernel gives
// to nobody who does not ask for it.
func freePort(t *testing.T) string {
	t.Helper()
	const first, n = 20_000, 10_000 // below those that the kernel gives
	for i := range n {
		port := strconv.Itoa(first + (os.Getpid()+i)%n)
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("every port is taken")
	return ""
}

// scrape reads the metrics of a port of the loopback.
func scrape(t *testing.T, port string) map[string]float64 {
	t.Helper()
	res, err := http.Get("http://127.0.0.1:" + port + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got := map[string]float64{}
	for s := bufio.NewScanner(res.Body); s.Scan(); {
		i := strings.LastIndexByte(s.Text(), ' ')
		if v, err := strconv.ParseFloat(s.Text()[i+1:], 64); err == nil && s.Text()[0] != '#' {
			got[s.Text()[:i]] = v
		}
	}
	return got
}

// settled scrapes until nothing moves any more, and all of it is in the trace.
func settled(t *testing.T, port string) map[string]float64 {
	t.Helper()
	same, last := 0, 0.0
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		got := scrape(t, port)
		n := got["uq_packets_total"]
		if same++; n != last || n == 0 || got["uq_backlog_packets"] != 0 || got["uq_trace_records_total"] != n {
			same, last = 0, n
		}
		if same == 4 {
			return got
		}
	}
	t.Fatal("the metrics do not come to rest")
	return nil
}

// TestLiveMetrics scrapes a real recording and finds what its summary has, and
// what the rule has counted.
func TestLiveMetrics(t *testing.T) {
	if err := netns.Available(); err != nil {
		t.Skip(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range [][]string{nil, {"--qdisc", "pfifo limit 100", "--link", "rate 5mbit"}} {
		dir, port := t.TempDir(), freePort(t)
		args := append([]string{"record", "-o", filepath.Join(dir, "t.zst"), "--lab", "--bottleneck", "none", "--metrics", port, "--json"}, how...)
		args = append(args, "--", "env", envSender+"=once "+dir, self)
		type outcome struct {
			code      int
			out, errs string
		}
		ended := make(chan outcome, 1)
		go func() {
			var o outcome
			o.code, o.out, o.errs = runUq(args...)
			ended <- o
		}()
		if err := waitFor(filepath.Join(dir, "sent")); err != nil {
			t.Fatal(err)
		}
		got := settled(t, port)
		if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		o := <-ended
		if o.code != 0 || !strings.Contains(o.errs, "metrics at http://127.0.0.1:"+port+"/metrics") {
			t.Fatalf("exit %d\n%s", o.code, o.errs)
		}
		compareMetrics(t, got, []byte(o.out))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatalf("the port is not free afterwards: %v", err)
		}
		l.Close()
	}
}

// TestLiveMetricsHost scrapes a recording on the host, a private one.
func TestLiveMetricsHost(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		p, port := newPlace(t), freePort(t)
		r := p.start(p.trace(), "--metrics", ":"+port)
		p.send(50, 100)
		got := settled(t, port)
		r.end(exitOK)
		r.balance(false)
		if n := float64(r.met); n != 50 || got["uq_packets_total"] != n || got[`uq_verdicts_total{verdict="accept"}`] != n || got[`uq_recording_info{link="",mode="host",qdisc="",queue="2018",version="`+toolName()+`"}`] != 1 {
			t.Errorf("the rule met %v packets: %v", n, got)
		}
	})
}

// compareMetrics holds the last scrape against the report.
func compareMetrics(t *testing.T, got map[string]float64, out []byte) {
	t.Helper()
	var rep recordReport
	if err := json.Unmarshal(out, &rep); err != nil {
		t.Fatal(err)
	}
	sum := rep.Record
	if sum.Packets < 100 || sum.Packets != rep.Lab.Queued.Packets || sum.Losses.Any() {
		t.Fatalf("%d packets, the rule counts %d, %+v", sum.Packets, rep.Lab.Queued.Packets, sum.Losses)
	}
	drops := uint64(0)
	if rep.Live != nil {
		if drops = rep.Live.Run.Dropped; drops == 0 {
			t.Error("overload without a drop")
		}
	}
	want := map[string]uint64{
		"uq_packets_total": sum.Packets, "uq_bytes_total": sum.Bytes, "uq_backlog_packets": 0, "uq_trace_records_total": sum.Records,
		`uq_verdicts_total{verdict="accept"}`: sum.Packets - drops, `uq_verdicts_total{verdict="drop"}`: drops,
		"uq_verdict_lateness_seconds_count": uint64(sum.VerdictLatencyNs.Count), "uq_trace_failed": 0,
	}
	for kind, n := range sum.Losses.All() {
		want[fmt.Sprintf("uq_losses_total{kind=%q}", kind)] = n
	}
	for name, n := range want {
		if v, ok := got[name]; !ok || v != float64(n) {
			t.Errorf("%s: scraped %v, there %v; the summary has %d", name, v, ok, n)
		}
	}
	if v := got["uq_trace_bytes_total"]; v == 0 || v > float64(sum.FileBytes) {
		t.Errorf("%v bytes scraped, %d in the end", v, sum.FileBytes)
	}
}

// TestMetricsRefused: what cannot be served is told before anything is touched.
func TestMetricsRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	name := filepath.Join(t.TempDir(), "t.zst")
	for addr, want := range map[string]struct {
		code int
		says string
	}{
		l.Addr().String(): {exitRuntime, "address already in use: choose another port"},
		"here":            {exitUsage, `--metrics "here": want PORT`},
		"192.0.2.1:9108":  {exitRuntime, "cannot assign requested address: choose another port or address"},
	} {
		code, _, errs := runUq("record", "-o", name, "--lab", "--metrics", addr, "--", "true")
		if _, err := os.Stat(name); err == nil || code != want.code || !strings.Contains(errs, want.says) {
			t.Errorf("%s: exit %d, file made %v: %s", addr, code, err == nil, errs)
		}
	}
}
