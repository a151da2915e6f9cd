package bench

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/sched/builtin"
)

// TestMain makes the test binary what uq is inside a lab.
func TestMain(m *testing.M) {
	ports := egress.Maker{Qdiscs: builtin.Kinds(), ReadFile: os.ReadFile}
	if code, ours := Hidden(os.Args, ports); ours {
		os.Exit(code)
	}
	own := func(c netns.Config) netns.Roles {
		var t Task
		if err := json.Unmarshal(c.Payload, &t); err != nil {
			panic(err)
		}
		return Roles(&t)
	}
	if code, ours := netns.Hidden(os.Args, netns.Roles{
		Capture: func(ctx context.Context, l *netns.Lab) (any, error) { return own(l.Config).Capture(ctx, l) },
		Source:  func(ctx context.Context, e *netns.EndLab) (any, error) { return own(e.Config).Source(ctx, e) },
		Sink:    func(ctx context.Context, e *netns.EndLab) (any, error) { return own(e.Config).Sink(ctx, e) },
	}); ours {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// runTask measures t and returns its samples.
func runTask(t *testing.T, ctx context.Context, task *Task, each func(Sample)) ([]Sample, bool) {
	t.Helper()
	if err := netns.Available(); err != nil {
		t.Skip(err)
	}
	payload, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	var samples []Sample
	interrupted, err := Run(ctx, task, payload, os.Stderr, func(s Sample) {
		samples = append(samples, s)
		each(s)
	})
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	return samples, interrupted
}

// peersForTest is where make bench-peers unpacks for this checkout.
const peersForTest = "../../bin/uq"

// compileC compiles the C program, or says why not.
func compileC(t *testing.T) string {
	t.Helper()
	path, err := BuildC(t.Context(), t.TempDir(), PeersBeside(peersForTest))
	if err != nil {
		t.Logf("without the C program: %v", err)
		return ""
	}
	return path
}

// TestLiveRows measures every row for a moment, and the three accounts, the
// client's, the rule's and the program's, agree about what passed.
func TestLiveRows(t *testing.T) {
	task := &Task{Rows: Rows(), Rounds: 1, Duration: 100 * time.Millisecond, Qdisc: "fq_codel", CProgram: compileC(t)}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	samples, interrupted := runTask(t, ctx, task, func(Sample) {})
	if len(samples) != task.Cells() || interrupted {
		t.Fatalf("%d samples, interrupted %v: want %d", len(samples), interrupted, task.Cells())
	}
	// On a busy machine a row's short window may be empty, not everybody's.
	var pps, bps uint64
	for i := range samples {
		s := &samples[i]
		pps, bps = pps+s.UDP.Pps, bps+s.TCP.Bps
		t.Run(key{s.Row, s.GSO}.String(), func(t *testing.T) { checkSample(t, s) })
	}
	if pps == 0 || bps == 0 {
		t.Errorf("%d packets/s and %d bit/s in all rows: want some", pps, bps)
	}
}

func checkSample(t *testing.T, s *Sample) {
	t.Logf("%+v", *s)
	if s.Err != "" {
		t.Fatal(s.Err)
	}
	if e := s.Echo; e.Sent == 0 || e.Lost > 0 || e.Min <= 0 || e.Min > e.P50 || e.P50 > e.P99 || e.P99 > e.Max || e.Avg < e.Min || e.Avg > e.Max {
		t.Errorf("round trips %+v: want some, none lost, in order", e)
	}
	if s.TCP.Bytes == 0 {
		t.Errorf("TCP %+v: want bytes", s.TCP)
	}
	if u := s.UDP; u.Received == 0 || u.Arrived() > u.Sent {
		t.Errorf("UDP %+v: want packets, and no more than were sent", u)
	}
	if s.Row == NoQueue {
		if s.Program != nil || s.Fed.Packets != 0 || s.UDP.Arrived() != s.UDP.Sent {
			t.Errorf("program %+v, fed %+v, UDP %+v: want no queue and no loss", s.Program, s.Fed, s.UDP)
		}
		return
	}
	p := s.Program
	if p == nil || s.TCP.CPU <= 0 || s.UDP.CPU <= 0 {
		t.Fatalf("program %+v, CPU %d and %d ns: want an account", p, s.TCP.CPU, s.UDP.CPU)
	}
	if p.Failed != 0 || p.Unrecorded != 0 {
		t.Errorf("program %+v: want no failure", p)
	}
	if s.TCP.Fed.Bytes < s.TCP.Bytes {
		t.Errorf("the rule fed %d bytes of TCP, the server received %d", s.TCP.Fed.Bytes, s.TCP.Bytes)
	}
	if b := s.Burst; b.Packets == 0 || b.TookNs <= 0 || b.Packets > burstTimes*burstMax {
		t.Errorf("burst %+v: want packets and time", b)
	}
	// Where the program got all the rule fed, so did the server.
	lost := s.UDP.Fed.Packets - s.UDP.Arrived()
	if s.UDP.Fed.Packets > s.UDP.Sent || s.UDP.Fed.Packets < s.UDP.Arrived() {
		t.Errorf("of %d sent the rule fed %d and %d arrived", s.UDP.Sent, s.UDP.Fed.Packets, s.UDP.Arrived())
	}
	if s.GSO && (p.Packets > s.Fed.Packets || p.Packets+lost+s.MarksLost < s.Fed.Packets) {
		t.Errorf("the rule fed %d packets: the program got %d and %d were lost", s.Fed.Packets, p.Packets, lost)
	}
	// The kernel cuts behind the rule, unless told not to.
	if !s.GSO && p.Packets < s.Fed.Packets+s.TCP.Bytes/3000 {
		t.Errorf("the rule fed %d packets, the program got %d without GSO: they were not cut", s.Fed.Packets, p.Packets)
	}
	if mean := s.TCP.Fed.Bytes / s.TCP.Fed.Packets; mean < superPacket {
		t.Errorf("TCP came in packets of %d bytes: no super-packets", mean)
	}
	if goes := p.Go != nil; goes != (s.Row != C) {
		t.Errorf("a Go runtime: %v", goes)
	}
	if s.Row == Live && (p.Lateness == nil || p.Lateness.Count == 0) {
		t.Errorf("lateness %+v: want some", p.Lateness)
	}
}

// TestLiveSecondCall: an end that was called, and left alone, is there for the
// next call.
func TestLiveSecondCall(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ready, ended := make(chan struct{}), make(chan error, 1)
		a := &agent{at: netip.MustParseAddr("127.0.0.1")}
		go func() { ended <- a.serve(ctx, func() { close(ready) }) }()
		<-ready
		for range 2 {
			r, err := dial(ctx, a.at)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.conn.Close(); err != nil {
				t.Fatal(err)
			}
		}
		r, err := dial(ctx, a.at)
		if err != nil {
			t.Fatal(err)
		}
		defer r.conn.Close()
		if _, err := r.ask(order{Op: doMark}); err == nil || !strings.Contains(err.Error(), "there was none") {
			t.Errorf("answer %v, want that there is nothing to mark", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestLiveInterrupted: what was measured until then is there, and the lab ends
// soon.
func TestLiveInterrupted(t *testing.T) {
	task := &Task{Rows: []Row{NoQueue, NoOp}, Rounds: 100, Duration: 50 * time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var told time.Time
	samples, interrupted := runTask(t, ctx, task, func(s Sample) {
		if s.Row == NoOp && told.IsZero() {
			told = time.Now()
			time.AfterFunc(100*time.Millisecond, cancel) // amid the next
		}
	})
	if took := time.Since(told); !interrupted || len(samples) < 2 || len(samples) > 10 || took > 15*time.Second {
		t.Errorf("interrupted %v after %s with %d of %d samples", interrupted, took, len(samples), task.Cells())
	}
	for _, s := range samples {
		if s.Err != "" {
			t.Errorf("%s: %s", s.Row, s.Err)
		}
	}
}

// TestLiveBrokenProgram: a row whose program cannot start says why, and the
// others are measured.
func TestLiveBrokenProgram(t *testing.T) {
	task := &Task{Rows: []Row{NoQueue, C, Live}, Rounds: 1, Duration: 50 * time.Millisecond, Qdisc: "no_such", CProgram: "/bin/false"}
	samples, _ := runTask(t, t.Context(), task, func(Sample) {})
	if len(samples) != 5 {
		t.Fatalf("%d samples, want 5", len(samples))
	}
	for _, s := range samples {
		want := map[Row]string{C: "did not get ready", Live: "no_such"}[s.Row]
		if (s.Err == "") != (want == "") || !strings.Contains(s.Err, want) {
			t.Errorf("%s: error %q, want %q", s.Row, s.Err, want)
		}
	}
}

// TestLiveDeadProgram: a program that dies at once blocks nobody for long.
func TestLiveDeadProgram(t *testing.T) {
	dead := t.TempDir() + "/dead"
	if err := os.WriteFile(dead, []byte("#!/bin/sh\necho ready\necho oh >&2\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	task := &Task{Rows: []Row{C, NoOp}, Rounds: 1, Duration: 50 * time.Millisecond, CProgram: dead}
	begin := time.Now()
	samples, _ := runTask(t, t.Context(), task, func(Sample) {})
	if len(samples) != 4 || time.Since(begin) > 20*time.Second {
		t.Fatalf("%d samples in %s, want 4", len(samples), time.Since(begin))
	}
	for _, s := range samples {
		if dead := s.Row == C; dead != strings.Contains(s.Err, "no echo came back") || dead != strings.Contains(s.Err, "oh") || dead != (s.Err != "") {
			t.Errorf("%s: error %q", s.Row, s.Err)
		}
	}
}

// TestLiveTools: the user's ping and iperf3 are asked and believed.
func TestLiveTools(t *testing.T) {
	dir := t.TempDir()
	script := func(name, text string) string {
		path := dir + "/" + name
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	task := &Task{Rows: []Row{NoQueue}, Rounds: 1, Duration: 50 * time.Millisecond, Tools: Tools{
		Ping:  script("ping", `for a; do :; done; test "$a" = 10.0.2.2 && echo "rtt min/avg/max/mdev = 1/2/3/4 ms"`),
		Iperf: script("iperf3", `echo '{"error":"this is a script"}'`),
	}}
	samples, _ := runTask(t, t.Context(), task, func(Sample) {})
	if len(samples) != 1 || samples[0].Echo.Tool != 2_000_000 || !strings.Contains(samples[0].Err, "iperf3 -s ended at once") {
		t.Errorf("%+v: want ping's 2 ms and a complaint about iperf3", samples)
	}
}

func TestExplainCC(t *testing.T) {
	for out, want := range map[string]string{
		"noop.c:9:10: fatal error: libmnl/libmnl.h: No such file or directory": "headers of libnetfilter_queue and libmnl are missing: make bench-peers",
		"/usr/bin/ld: cannot find -lmnl: No such file or directory":            "libnetfilter_queue and libmnl are missing: make bench-peers",
		"noop.c:3:1: error: unknown type name 'foo'":                           "error: unknown type name 'foo'",
		"killed": "exit status 1: killed",
	} {
		if got := explainCC(out, os.NewSyscallError("exit status 1", os.ErrInvalid)); !strings.Contains(got.Error(), strings.TrimPrefix(want, "exit status 1: ")) {
			t.Errorf("%q: %q, want %q", out, got, want)
		}
	}
	t.Setenv("CC", "/nonexistent/cc -O3")
	if _, err := BuildC(t.Context(), t.TempDir(), ""); err == nil || !strings.Contains(err.Error(), "no C compiler /nonexistent/cc: make bench-peers") {
		t.Errorf("error %v, want one about the compiler", err)
	}
}
