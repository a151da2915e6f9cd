package inject

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/builtin"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/corpus"
)

// testTask is a Task with what is to go wrong.
type testTask struct {
	Task  Task   `json:"task"`
	Fault string `json:"fault,omitempty"`
	// Pcap is what tcpreplay is to send instead of the trace.
	Pcap string `json:"pcap,omitempty"`
}

// TestMain makes the test binary the processes of its own labs.
func TestMain(m *testing.M) {
	roles := netns.Roles{
		Capture: func(ctx context.Context, l *netns.Lab) (any, error) {
			t, err := readTestTask(l.Config)
			if err != nil {
				return nil, err
			}
			stop := startFault(t.Fault, l)
			defer stop()
			return Capture(&t.Task)(ctx, l)
		},
		Source: func(ctx context.Context, e *netns.EndLab) (any, error) {
			t, err := readTestTask(e.Config)
			if err != nil {
				return nil, err
			}
			if t.Pcap != "" {
				return sendPcap(ctx, e.Link, t.Pcap)
			}
			return Source(&t.Task)(ctx, e)
		},
		Sink: func(ctx context.Context, e *netns.EndLab) (any, error) {
			t, err := readTestTask(e.Config)
			if err != nil {
				return nil, err
			}
			return Sink(&t.Task)(ctx, e)
		},
	}
	if os.Getenv(envNoQueue) != "" {
		roles.Capture = nil
	}
	if code, ours := netns.Hidden(os.Args, roles); ours {
		os.Exit(code)
	}
	// Under the race detector every process of a lab would sleep for a second
	// before it exits.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=1"); err != nil {
		panic(err)
	}
	if task := os.Getenv("UQ_TEST_SUPERVISOR"); task != "" {
		os.Exit(superviseForTest(task))
	}
	os.Exit(m.Run())
}

// ports is the maker of these tests' ports.
var ports = egress.Maker{Qdiscs: builtin.Kinds()}

func readTestTask(c netns.Config) (t testTask, err error) {
	err = json.Unmarshal(c.Payload, &t)
	t.Task.Ports = ports
	return t, err
}

// needLab skips where no lab can run, and bounds the test.
func needLab(t *testing.T) context.Context {
	t.Helper()
	if err := netns.Available(); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// corpusFile is a trace of the corpus as a file.
func corpusFile(t *testing.T, name string) *os.File {
	t.Helper()
	b, err := corpus.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	return fileOf(t, b)
}

func fileOf(t *testing.T, b []byte) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "t.zst"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	return f
}

// live is a finished replay.
type live struct {
	*Report
	verified replay.Verification
	events   map[traces.EventKind]uint64
	end      traces.End
}

// defaultTask replays the first seconds through fq_codel at a rate.
func defaultTask(rate string) testTask {
	return testTask{Task: Task{
		Ports:     ports,
		Selection: Selection{To: pkt.Time(1200 * time.Millisecond)},
		Scheduler: traces.Scheduler{Qdisc: "fq_codel", Link: "rate " + rate, Seed: 1, GSO: "whole"},
		Timer:     replay.Sleep, Drain: 10 * time.Second,
	}}
}

// runLive replays, and checks what must hold of every run: the balance closes,
// and every decision is computed again.
func runLive(t *testing.T, trace *os.File, task testTask, compare bool) *live {
	t.Helper()
	ctx := needLab(t)
	out, err := os.Create(filepath.Join(t.TempDir(), "out.zst"))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Run(ctx, &task.Task, payload, Files{Trace: trace, Outcome: out, Stderr: os.Stderr}, compare)
	if err != nil {
		t.Fatal(err)
	}
	l := &live{Report: rep, events: map[traces.EventKind]uint64{}}
	l.verify(t, out.Name())
	b := &rep.Balance
	if b.Unexplained != 0 || b.Sent != b.Delivered+b.Dropped+b.Lost.Sum() {
		t.Errorf("balance %+v", *b)
	}
	t.Logf("%+v\nsent late %+v\nreleased late %+v", *b, rep.Injection.Distribution, rep.Release.Distribution)
	return l
}

func (l *live) verify(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := traces.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if l.verified, err = replay.Verify(r, ports); err != nil || l.verified.Divergence != nil || !l.verified.Complete {
		t.Errorf("verify: %+v, %v", l.verified, err)
	}
	if r, err = OpenTrace(f); err != nil {
		t.Fatal(err)
	}
	r.OnEvent(func(e traces.Event) { l.events[e.Kind] += max(e.Count, 1) })
	var rec traces.Record
	for r.Next(&rec) == nil {
	}
	l.end, _ = r.End()
}

// lossless checks that nothing went missing.
func (l *live) lossless(t *testing.T) {
	t.Helper()
	b := &l.Balance
	if b.Lost.Sum() != 0 || len(b.SendErrors) != 0 || b.Stray != (Stray{}) || b.Sent == 0 {
		t.Errorf("lost: %+v", *b)
	}
	if b.Marked != b.CE {
		t.Errorf("%d marked, %d with CE at the far end", b.Marked, b.CE)
	}
}

// TestLiveCorpus replays real traces under overload: every packet accounted
// for, every decision the same as the simulator's.
func TestLiveCorpus(t *testing.T) {
	for _, c := range []struct {
		name, rate string
		split      bool
	}{
		{"udp.zst", "12mbit", false}, {"bulk.zst", "300mbit", false}, {"bulk.zst", "75mbit", true},
		{"ipv6.zst", "15mbit", false}, {"ecn.zst", "12mbit", false}, {"mix.zst", "10mbit", false},
	} {
		t.Run(fmt.Sprintf("%s split %v", c.name, c.split), func(t *testing.T) {
			task := defaultTask(c.rate)
			task.Task.Selection.Split = c.split
			if c.split { // of 40000 packets a second, a machine that pauses loses some
				task.Task.Selection.To, task.Task.Selection.Speed = pkt.Time(300*time.Millisecond), unit/4
			}
			l := runLive(t, corpusFile(t, c.name), task, true)
			l.lossless(t)
			a := l.Comparison.Arrivals
			if !a.Drops.Equal() || !a.Marks.Equal() || a.Compared != l.Balance.Delivered {
				t.Errorf("against the simulation: %+v", a)
			}
			if l.Balance.Dropped+l.Balance.Marked == 0 {
				t.Error("overload without a drop or mark")
			}
			if want := l.Balance.Sent; l.verified.Decisions != want || l.Run.ArrivedPackets != want {
				t.Errorf("%d decisions, %d arrivals, %d sent", l.verified.Decisions, l.Run.ArrivedPackets, want)
			}
			t.Logf("sojourn difference %+v", a.Sojourn)
		})
	}
}

// TestLiveLoop replays a part of a trace several times, faster.
func TestLiveLoop(t *testing.T) {
	task := defaultTask("100mbit")
	task.Task.Selection = Selection{From: pkt.Time(time.Second), To: pkt.Time(1200 * time.Millisecond), Limit: 500, Loops: 3, Speed: 2 * unit}
	l := runLive(t, corpusFile(t, "udp.zst"), task, false)
	l.lossless(t)
	if l.Balance.Packets != 1500 || l.SpanNs > int64(400*time.Millisecond) || l.SpanNs < int64(150*time.Millisecond) {
		t.Errorf("%d packets in %v", l.Balance.Packets, time.Duration(l.SpanNs))
	}
}

// A reader that is slower than the sender loses packets to its receive buffer.
func TestLiveSlowReader(t *testing.T) {
	task := defaultTask("100mbit")
	task.Task.RcvBuf, task.Task.Selection.Speed = 1, 20*unit
	l := runLive(t, corpusFile(t, "udp.zst"), task, false)
	if l.Balance.Lost.RcvBuf == 0 || l.Live.Losses.Overflows == 0 || l.events[traces.ENOBUFS] == 0 {
		t.Errorf("no ENOBUFS: %+v", l.Live.Losses)
	}
	if told := l.events[traces.IDGap]; told != l.Live.Losses.Missing || told != l.end.Lost["id_gap"] || told+l.Live.Losses.QueueFull < l.Balance.Lost.RcvBuf {
		t.Errorf("%d packets did not fit; the loop counts %+v, its trace tells %d, the end %v", l.Balance.Lost.RcvBuf, l.Live.Losses, told, l.end.Lost)
	}
}

// A kernel queue shorter than the scheduler's is full before that can act; the
// rule's counter tells.
func TestLiveShortQueue(t *testing.T) {
	task := defaultTask("2mbit")
	task.Task.Scheduler.Qdisc, task.Task.MaxLen = "pfifo limit 1000", 50
	l := runLive(t, corpusFile(t, "udp.zst"), task, false)
	if l.Balance.Lost.QueueFull == 0 || l.Balance.Dropped != 0 || l.Run.MaxQlen > 50 {
		t.Errorf("%+v, at most %d held", l.Balance, l.Run.MaxQlen)
	}
	full := l.Live.Losses.QueueFull
	if full < l.Balance.Lost.QueueFull || full > l.Balance.Lost.QueueFull+l.Balance.Stray.Arrivals || l.events[traces.QueueFull] != full || l.end.Lost["queue_full"] != full {
		t.Errorf("%d packets found the queue full; the loop counts %d, its trace tells %d, the end %v", l.Balance.Lost.QueueFull, full, l.events[traces.QueueFull], l.end.Lost)
	}
}

// The kernel gives up everything that it holds when a base chain goes.
func TestLiveFlush(t *testing.T) {
	task := defaultTask("10mbit")
	task.Fault = "flush"
	l := runLive(t, corpusFile(t, "udp.zst"), task, false)
	if l.Balance.Lost.Flushed == 0 || l.Live.Losses.Gone == 0 || l.events[traces.KernelFlush] == 0 || l.Balance.Delivered == 0 {
		t.Errorf("no flush: %+v, %+v", l.Balance, l.Live.Losses)
	}
}

// A link that goes down costs packets, not the run.
func TestLiveLinkDown(t *testing.T) {
	for _, fault := range []string{"out-down", "in-down"} {
		task := defaultTask("20mbit")
		task.Fault = fault
		l := runLive(t, corpusFile(t, "udp.zst"), task, false)
		lost := l.Balance.Lost
		if fault == "in-down" && lost.Link == 0 && len(l.Balance.SendErrors) == 0 || fault == "out-down" && lost.Router+lost.Released+lost.Flushed == 0 {
			t.Errorf("%s: %+v", fault, l.Balance)
		}
		if l.Balance.Delivered < 1000 {
			t.Errorf("%s: %d delivered", fault, l.Balance.Delivered)
		}
	}
}

// A router that is stopped for a while decides late, but no different.
func TestLiveStopped(t *testing.T) {
	token := mark(t)
	go func() {
		for t.Context().Err() == nil {
			for _, pid := range processes(token, "__lab-router") {
				if stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); bytes.Contains(stat, []byte(") T ")) {
					time.Sleep(time.Second)
					_ = syscall.Kill(pid, syscall.SIGCONT)
					return
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	task := defaultTask("12mbit")
	task.Fault = "stop"
	l := runLive(t, corpusFile(t, "udp.zst"), task, true)
	if l.Release.Max < int64(500*time.Millisecond) {
		t.Errorf("released at most %v late: the router was not stopped", time.Duration(l.Release.Max))
	}
	if a := l.Comparison.Arrivals; !a.Drops.Equal() {
		t.Errorf("drops %+v", a.Drops)
	}
}

// TestLiveOddTraces replays traces at the edges.
func TestLiveOddTraces(t *testing.T) {
	task := defaultTask("10mbit")
	udp := udpRecord(t, "udp 10.9.8.7:6>1.2.3.4:5", 200)
	for _, c := range []struct {
		name string
		recs []traces.Record
		sent uint64
	}{
		{"empty", nil, 0},
		{"one packet", []traces.Record{udp}, 1},
		{"ties", []traces.Record{udp, udp, udp, udp, udp}, 5},
		{"unsendable", []traces.Record{udp, udpRecord(t, "udp 10.0.0.1:5>224.0.0.251:5353", 100), udpRecord(t, "udp 127.0.0.1:5>127.0.0.1:53", 100), {Len: 60, Segs: 1, Info: traces.Undecoded}, udp}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := runLive(t, fileOf(t, traceOf(t, c.recs)), task, true)
			if l.Balance.Sent != c.sent || l.Balance.Delivered != c.sent || l.Balance.Packets != uint64(len(c.recs)) {
				t.Errorf("%+v, want %d sent", l.Balance, c.sent)
			}
		})
	}
}
