package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// place is a private network namespace with a UDP port whose packets pass uq's
// queue, counted before and behind it.
type place struct {
	t           *testing.T
	dir         string
	uq          string // uq itself
	port        uint16
	fed, passed *livetest.Counter
	terminal    *os.File // where a recording's words go, if not nil
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir(), port: livetest.UDPSink(t, "127.0.0.1")}
	p.uq = filepath.Join(p.dir, "uq") // under this name the test binary is uq
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, p.uq)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.fed = livetest.AddCounter(t, "fed", -100, pkt.ProtoUDP, p.port)
	p.passed = livetest.AddCounter(t, "passed", 100, pkt.ProtoUDP, p.port)
	return p
}

// send sends n datagrams of size bytes, and is content with what the kernel
// takes.
func (p *place) send(n, size int) {
	p.t.Helper()
	if err := livetest.SendUDP("127.0.0.1", p.port, n, size); err != nil {
		p.t.Fatal(err)
	}
}

// gently sends as many as a busy machine can take in.
func (p *place) gently(n, size int) {
	p.t.Helper()
	if err := livetest.SendUDPGently("127.0.0.1", p.port, n, size); err != nil {
		p.t.Fatal(err)
	}
}

// recording is a uq record of the place's port, in a process of its own.
type recording struct {
	*place
	cmd       *exec.Cmd
	file      string
	out, errs bytes.Buffer
	before    [2]uint64 // the counters at its start
	// What it came to, after end.
	rep     recordReport
	recs    []traces.Record
	events  map[traces.EventKind]uint64 // summed up; one for those without a count
	close   traces.End
	met     uint64 // by the rule
	through uint64 // behind the queue
}

// start starts uq record and waits until its rules are in. To file goes the
// trace.
func (p *place) start(file string, args ...string) *recording {
	p.t.Helper()
	r := p.prepare(file, args...)
	r.launch()
	return r
}

// prepare is start up to the point where the command starts.
func (p *place) prepare(file string, args ...string) *recording {
	r := &recording{place: p, file: file, events: map[traces.EventKind]uint64{}}
	r.before = [2]uint64{p.fed.Packets(), p.passed.Packets()}
	args = append([]string{"record", "-o", file, "--hook", "output", "--proto", "udp", "--port", fmt.Sprint(p.port), "--json"}, args...)
	r.cmd = exec.Command(p.uq, args...)
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.errs
	if p.terminal != nil {
		r.cmd.Stderr = p.terminal
	}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return r
}

// launch starts what is prepared and waits until its rules are in.
func (r *recording) launch() {
	r.t.Helper()
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	livetest.WaitRules(r.t, "uq-")
}

// freeze stops the process for as long as f takes, as if it got no processor.
func (r *recording) freeze(f func()) {
	r.t.Helper()
	r.signal(syscall.SIGSTOP)
	for end := time.Now().Add(30 * time.Second); !allThreads(r.cmd.Process.Pid, 'T'); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatal("it does not stop")
		}
	}
	f()
	r.signal(syscall.SIGCONT)
}

// allThreads says whether every thread of a process is in a state: 'T' stopped,
// 'S' sleeping.
func allThreads(pid int, state byte) bool {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && !bytes.Contains(b, []byte{')', ' ', state, ' '}) {
			return false
		}
	}
	return len(files) > 0
}

func (r *recording) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// rest waits until there is nothing left to do: the counters stand still and
// the recording sleeps, and does not just wait for a processor.
func (r *recording) rest() {
	r.t.Helper()
	last, same := r.place.passed.Packets(), 0
	for end := time.Now().Add(60 * time.Second); same < 10 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		now := r.place.passed.Packets()
		if same++; now != last || !allThreads(r.cmd.Process.Pid, 'S') {
			last, same = now, 0
		}
	}
}

// end interrupts the recording and reads what it has told.
func (r *recording) end(wantCode int) {
	r.t.Helper()
	r.signal(syscall.SIGINT)
	r.wait(wantCode)
	f, err := os.Open(r.file)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	r.read(f)
}

// wait waits for the process and takes its words.
func (r *recording) wait(wantCode int) {
	r.t.Helper()
	err := r.cmd.Wait()
	if code := r.cmd.ProcessState.ExitCode(); code != wantCode {
		r.t.Fatalf("exit %d (%v), want %d\n%s", code, err, wantCode, r.errs.String())
	}
	r.met, r.through = r.place.fed.Packets()-r.before[0], r.place.passed.Packets()-r.before[1]
	if err := json.Unmarshal(r.out.Bytes(), &r.rep); err != nil {
		r.t.Fatalf("%v\n%s", err, r.errs.String())
	}
	r.t.Logf("met %d, through %d, %+v", r.met, r.through, r.rep.Record.Counts)
}

// read reads the trace, as far as it goes.
func (r *recording) read(in io.Reader) {
	r.t.Helper()
	tr, err := traces.NewReader(in)
	if err != nil {
		r.t.Fatal(err)
	}
	tr.OnEvent(func(e traces.Event) { r.events[e.Kind] += max(e.Count, 1) })
	var rec traces.Record
	for err = tr.Next(&rec); err == nil; err = tr.Next(&rec) {
		r.recs = append(r.recs, rec)
	}
	if damage := (*traces.Damage)(nil); !errors.Is(err, io.EOF) && !errors.As(err, &damage) {
		r.t.Fatal(err)
	}
	r.close, _ = tr.End()
}

// balance holds the recording against the kernel's counters: everything that
// came to the queue is accounted for, and what passed is what it says passed.
func (r *recording) balance(failOpen bool) {
	r.t.Helper()
	s := r.rep.Record
	l := s.Losses
	unseen := l.Missing + l.QueueFull
	if r.met != s.Packets+unseen {
		r.t.Errorf("the rule met %d packets, the recording %d and %d it missed", r.met, s.Packets, unseen)
	}
	want := s.Packets - l.Gone
	if r.rep.Live != nil {
		want -= r.rep.Live.Run.Dropped
	}
	for _, rec := range r.recs {
		if rec.Verdict == traces.Drop && rec.Info&traces.Gone != 0 {
			want++ // lost twice, but once is enough
		}
	}
	if failOpen {
		want += unseen
	}
	if r.through != want {
		r.t.Errorf("%d packets passed, want %d: %+v", r.through, want, s.Counts)
	}
	if n := uint64(len(r.recs)); n != s.Records || n+l.Records != s.Packets {
		r.t.Errorf("%d records in the trace, %d said, %d of %d packets without", n, s.Records, l.Records, s.Packets)
	}
}

// told holds what is told in the trace and in words against the counts, which
// must have the kinds that are named, and no other.
func (r *recording) told(kinds ...string) {
	r.t.Helper()
	l := r.rep.Record.Losses.ByName()
	if len(l) != len(kinds) {
		r.t.Errorf("losses %v, want %v", l, kinds)
	}
	for _, k := range kinds {
		if l[k] == 0 {
			r.t.Errorf("losses %v, want %v", l, kinds)
		}
		kind, err := traces.ParseEventKind(k)
		if err != nil {
			r.t.Fatal(err)
		}
		if r.rep.Record.Clean && (r.events[kind] != l[k] || kind != traces.ENOBUFS && r.close.Lost[k] != l[k]) {
			r.t.Errorf("%s: %d counted, the trace's events tell %d, its end %v", k, l[k], r.events[kind], r.close.Lost)
		}
		if !strings.Contains(r.errs.String(), fmt.Sprint(l[k])) {
			r.t.Errorf("%s: no word of %d in\n%s", k, l[k], r.errs.String())
		}
	}
}

// starved are the kinds of loss that a recording has, whatever the test is
// about, on a machine that had no processor for it for too long.
func (r *recording) starved() (kinds []string) {
	l := r.rep.Record.Losses.ByName()
	for _, k := range []traces.EventKind{traces.IDGap, traces.ENOBUFS, traces.QueueFull} {
		if l[k.String()] > 0 {
			kinds = append(kinds, k.String())
		}
	}
	if kinds != nil {
		r.t.Logf("this machine lost packets, too: %+v", l)
	}
	return kinds
}

// verify computes a scheduled recording's decisions again.
func (r *recording) verify() {
	r.t.Helper()
	if r.rep.Live == nil {
		return
	}
	if code, out, errs := runUq("verify", r.file); code != 0 {
		r.t.Errorf("verify: exit %d\n%s%s", code, out, errs)
	}
}

// modes are the ways to record: letting all pass at once, and scheduled, with
// and without drops.
var modes = map[string][]string{
	"record":  nil,
	"queues":  {"--queues", "2"},
	"qdisc":   {"--qdisc", "fq_codel", "--link", "rate 1gbit"},
	"dropper": {"--qdisc", "pfifo limit 20", "--link", "rate 1mbit"},
}

// inPlaces runs f for the named modes, each in a namespace of its own, beside
// other tests.
func inPlaces(t *testing.T, names string, f func(p *place, mode []string)) {
	t.Helper()
	t.Parallel()
	for _, name := range strings.Fields(names) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			livetest.Test(t, func(t *testing.T) { f(newPlace(t), modes[name]) })
		})
	}
}

func (p *place) trace() string { return filepath.Join(p.dir, "t.zst") }
