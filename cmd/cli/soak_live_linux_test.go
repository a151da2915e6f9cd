package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/traces"
)

// soakSeconds is how long a live soak takes: what the environment says (make
// soak-record, make soak-live), else something short.
func soakSeconds(t *testing.T, short int) int {
	t.Helper()
	text := os.Getenv("UQ_SOAK_SECONDS")
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("UQ_SOAK_SECONDS=%q: want a number of seconds", text)
	}
	return n
}

// soak records in a lab what the test binary sends in the way of what, while
// during runs.
func soak(t *testing.T, what, file string, during func(over <-chan struct{}), args ...string) (rep recordReport, errs string) {
	t.Helper()
	if err := netns.Available(); err != nil {
		t.Skip(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"record", "-o", file, "--lab", "--bottleneck", "none", "--json"}, args...)
	args = append(args, "--", "env", envSender+"="+what, self)
	over, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		during(over)
	}()
	code, out, errs := runUq(args...)
	close(over)
	<-watched
	if code != 0 {
		t.Fatalf("exit %d\n%s", code, errs)
	}
	if err := json.Unmarshal([]byte(out), &rep); err != nil {
		t.Fatal(err)
	}
	return rep, errs
}

// told adds up a trace's events, and counts its records.
func told(t *testing.T, file string) (events map[traces.EventKind]uint64, records uint64, end traces.End) {
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
	events = map[traces.EventKind]uint64{}
	r.OnEvent(func(e traces.Event) { events[e.Kind] += max(e.Count, 1) })
	var rec traces.Record
	for err = r.Next(&rec); err == nil; err = r.Next(&rec) {
		records++
	}
	end, ok := r.End()
	if !ok {
		t.Fatalf("the trace has no end: %v", err)
	}
	return events, records, end
}

// TestLiveFlood records, and schedules, the most small packets a second that
// this machine sends: nothing is lost, or exactly that is told which the rule's
// counter finds missing. make soak-record takes a minute for each.
func TestLiveFlood(t *testing.T) {
	seconds := soakSeconds(t, 3)
	for _, mode := range [][]string{nil, {"--qdisc", "fq_codel", "--link", "unlimited"}} {
		file := filepath.Join(t.TempDir(), "t.zst")
		rep, errs := soak(t, fmt.Sprintf("flood %d", seconds), file, func(<-chan struct{}) {}, mode...)
		s, l := rep.Record, rep.Record.Losses
		if met := rep.Lab.Queued.Packets; met != s.Packets+l.Missing+l.QueueFull || s.Packets < 10_000 {
			t.Errorf("%v: the rule met %d packets; the recording %d, and %+v", mode, met, s.Packets, l)
		}
		events, records, end := told(t, file)
		if records != s.Records || records+l.Records != s.Packets || !end.Clean {
			t.Errorf("%v: %d records, the summary has %d of %d packets, %d without", mode, records, s.Records, s.Packets, l.Records)
		}
		for kind, n := range l.ByName() {
			k, err := traces.ParseEventKind(kind)
			if err != nil || events[k] != n || !strings.Contains(errs, strconv.FormatUint(n, 10)) {
				t.Errorf("%v: %s %d: the trace tells %d, words:\n%s", mode, kind, n, events[k], errs)
			}
		}
		t.Logf("%v: %d packets in %.1f s, %.0f a second, lost %v of %d", mode, s.Packets, float64(s.DurationNs)/1e9, s.PacketsPerSecond, l.ByName(), rep.Lab.Queued.Packets)
	}
}

// sample is what a process holds.
type sample struct {
	at      time.Duration
	rss     int // KiB
	handles int
}

// watchRouter samples the lab's router, which is this process's child, until
// over.
func watchRouter(over <-chan struct{}) (out []sample) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	start, pid := time.Now(), 0
	for {
		select {
		case <-over:
			return out
		case <-tick.C:
		}
		if pid == 0 {
			pid = routerProcess()
			continue
		}
		if s, ok := look(pid); ok {
			s.at = time.Since(start)
			out = append(out, s)
		}
	}
}

// routerProcess finds the router; 0 if there is none yet.
func routerProcess() int {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		cmdline, _ := os.ReadFile(f)
		status, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "status"))
		if bytes.Contains(cmdline, []byte("__lab-router")) && bytes.Contains(status, fmt.Appendf(nil, "\nPPid:\t%d\n", os.Getpid())) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			return pid
		}
	}
	return 0
}

func look(pid int) (s sample, ok bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	handles, err2 := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	_, rest, found := strings.Cut(string(status), "\nVmRSS:")
	if err != nil || err2 != nil || !found {
		return s, false
	}
	_, err = fmt.Sscan(rest, &s.rss)
	s.handles = len(handles)
	return s, err == nil
}

// tenths is the most that was resident in each tenth of the samples, in KiB.
func tenths(ss []sample) (most []int) {
	for i := range 10 {
		part := ss[len(ss)*i/10 : len(ss)*(i+1)/10]
		most = append(most, slices.MaxFunc(part, func(a, b sample) int { return a.rss - b.rss }).rss)
	}
	return most
}

// slope is the growth of the resident memory in KiB a minute: the least squares'
// line through its peaks, since what the Go runtime gives back for a while is
// no news.
func slope(peaks []int, each time.Duration) float64 {
	var n, x, y, xx, xy float64
	for i, rss := range peaks {
		m, k := float64(i)*each.Minutes(), float64(rss)
		n, x, y, xx, xy = n+1, x+m, y+k, xx+m*m, xy+m*k
	}
	return (n*xy - x*y) / (n*xx - x*x)
}

func leastHandles(ss []sample) int {
	return slices.MinFunc(ss, func(a, b sample) int { return a.handles - b.handles }).handles
}

// Bounds of a soak, in KiB: what is resident at any time; by how much more in
// the last three tenths than in the middle, of a soak of at least soakMinutes.
// The loop's rings grow to the largest backlog met, some MiB, whenever that is;
// two bytes lost with every packet are more than that in the four minutes between.
const (
	soakResident = 256 << 10
	soakGrowth   = 10 << 10
	soakMinutes  = 8
)

// TestLiveSoak schedules 20 000 packets a second, of which 5000 begin a flow
// never seen before: memory and handles stay what they are, and every decision
// is computed again. make soak-live takes ten minutes.
func TestLiveSoak(t *testing.T) {
	seconds := soakSeconds(t, 8)
	file := filepath.Join(t.TempDir(), "t.zst")
	var samples []sample
	rep, _ := soak(t, fmt.Sprintf("churn %d", seconds), file, func(over <-chan struct{}) { samples = watchRouter(over) },
		"--qdisc", "fq_codel", "--link", "rate 30mbit")
	s := rep.Record
	if met := rep.Lab.Queued.Packets; met != s.Packets+s.Losses.Missing+s.Losses.QueueFull || rep.Live.Run.FlowCount < 1000 {
		t.Errorf("the rule met %d packets; the recording %d of %d flows, and %+v", met, s.Packets, rep.Live.Run.FlowCount, s.Losses)
	}
	if code, out, errs := runUq("verify", file); code != 0 {
		t.Errorf("verify: exit %d\n%s%s", code, out, errs)
	} else {
		t.Log(strings.TrimSpace(out))
	}
	if len(samples) < 11 {
		t.Fatalf("%d samples", len(samples))
	}
	span := samples[len(samples)-1].at
	peaks := tenths(samples[:len(samples)-1])
	if most := slices.Max(peaks); most > soakResident {
		t.Errorf("%d MiB resident", most>>10)
	}
	growth := slices.Max(peaks[7:]) - slices.Max(peaks[3:6])
	if span.Minutes() > soakMinutes && growth > soakGrowth {
		t.Errorf("memory grows by %d MiB", growth>>10)
	}
	n := len(samples) / 5
	// A file may be open for a moment, but not for good.
	handles, more := leastHandles(samples[n:2*n]), leastHandles(samples[4*n:len(samples)-1])
	if more > handles {
		t.Errorf("%d handles at first, %d at the end", handles, more)
	}
	t.Logf("%d packets, %d drops, %d flows told apart, lost %v; KiB resident at most in each tenth %v, %+.0f a minute from the fourth on; %d handles; file %d bytes, %.1f a packet; verdicts late by %d ns (median), %d (99 %%), %d (most)",
		s.Packets, rep.Live.Run.Dropped, rep.Live.Run.FlowCount, s.Losses.ByName(), peaks, slope(peaks[3:], span/10), more,
		s.FileBytes, s.BytesPerPacket, s.VerdictLatencyNs.P50, s.VerdictLatencyNs.P99, s.VerdictLatencyNs.Max)
}
