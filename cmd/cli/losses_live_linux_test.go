package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/traces"
)

// TestLiveQueueFull: a loop that gets no processor leaves its packets in the
// kernel's queue until that is full.
func TestLiveQueueFull(t *testing.T) {
	inPlaces(t, "record queues qdisc dropper", func(p *place, mode []string) {
		for _, failOpen := range []bool{false, true} {
			args := append([]string{"--maxlen", "50"}, mode...)
			if failOpen {
				args = append(args, "--fail-open")
			}
			r := p.start(p.trace(), args...)
			r.freeze(func() { p.send(500, 100) })
			r.rest()
			p.send(10, 100)
			r.rest()
			r.end(exitOK)
			r.balance(failOpen)
			r.told(traces.QueueFull.String())
			r.verify()
			if l := r.rep.Record.Losses; l.QueueFull < 450 || failOpen != strings.Contains(r.errs.String(), "passed unseen: ") {
				p.t.Errorf("fail-open %v: %+v\n%s", failOpen, l, r.errs.String())
			}
		}
	})
}

// TestLiveReceiveBuffer: what does not fit the receive buffer is dropped, or
// passes unseen under fail-open; the gap in the ids tells how much.
func TestLiveReceiveBuffer(t *testing.T) {
	inPlaces(t, "record queues qdisc dropper", func(p *place, mode []string) {
		for _, failOpen := range []bool{false, true} {
			args := append([]string{"--rcvbuf", "1"}, mode...)
			if failOpen {
				args = append(args, "--fail-open")
			}
			r := p.start(p.trace(), args...)
			r.freeze(func() { p.send(500, 100) })
			r.rest()
			p.send(1, 100) // the next packet shows the gap before it
			r.rest()
			r.end(exitOK)
			r.balance(failOpen)
			r.told(traces.IDGap.String(), traces.ENOBUFS.String())
			r.verify()
			if l := r.rep.Record.Losses; l.Missing < 400 || failOpen != strings.Contains(r.errs.String(), "passed unseen: ") {
				p.t.Errorf("fail-open %v: %+v\n%s", failOpen, l, r.errs.String())
			}
		}
	})
}

// TestLiveGivenUp: when any base chain of the namespace goes, the kernel gives
// up what is queued: verdicts for those packets meet unknown ids.
func TestLiveGivenUp(t *testing.T) {
	inPlaces(t, "record queues qdisc dropper", func(p *place, mode []string) {
		r := p.start(p.trace(), mode...)
		p.send(5, 100)
		r.rest()
		r.freeze(func() {
			p.send(80, 100)
			livetest.FlushQueues(p.t)
		})
		r.rest()
		p.send(5, 100)
		r.rest()
		r.end(exitOK)
		r.balance(false)
		r.told(traces.KernelFlush.String())
		r.verify()
		gone := uint64(0)
		for _, rec := range r.recs {
			if rec.Verdict == traces.Lost || rec.Info&traces.Gone != 0 {
				gone++
			}
		}
		if want := r.rep.Record.Losses.Gone; gone != 80 || want != 80 {
			p.t.Errorf("%d packets given up, %d records say so, want 80", want, gone)
		}
	})
}

// TestLiveSecondProgram: a queue that another program has is refused, and that
// program's packets and file are left alone.
func TestLiveSecondProgram(t *testing.T) {
	inPlaces(t, "record qdisc", func(p *place, mode []string) {
		r := p.start(p.trace(), mode...)
		p.send(5, 100)
		other := filepath.Join(p.dir, "other.zst")
		if err := os.WriteFile(other, []byte("precious"), 0o666); err != nil {
			p.t.Fatal(err)
		}
		args := append([]string{"record", "-o", other, "--queue", fmt.Sprint(defaultQueue), "--duration", "1s"}, mode...)
		code, _, errs := runUq(args...)
		if code != exitRuntime || !strings.Contains(errs, "queue is taken by another program") || !strings.Contains(errs, "stop it, or choose another queue number") {
			p.t.Errorf("second: exit %d: %s", code, errs)
		}
		if b, err := os.ReadFile(other); string(b) != "precious" {
			p.t.Errorf("the refused recording's file holds %q, %v", b, err)
		}
		p.send(5, 100)
		r.rest()
		r.end(exitOK)
		r.balance(false)
		r.told()
		r.verify()
	})
}

// smallPipe makes a named pipe that holds 4 kB, and opens it for reading.
func (p *place) smallPipe(name string) (path string, in *os.File) {
	p.t.Helper()
	path = filepath.Join(p.dir, name)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		p.t.Fatal(err)
	}
	in, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // without waiting for a writer
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = in.Close() })
	if _, err := unix.FcntlInt(in.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		p.t.Fatal(err)
	}
	return path, in
}

// maxResident is far more than a recording needs and far less than one takes
// that queues up what it cannot write, in bytes.
const maxResident = 200 << 20

// TestLiveSlowDisk: where the trace is written more slowly than packets come,
// records are lost, in bounded memory, never packets. The disk is a pipe that
// nobody reads until the flood is over.
func TestLiveSlowDisk(t *testing.T) {
	inPlaces(t, "record qdisc", func(p *place, mode []string) {
		pipe, in := p.smallPipe("pipe")
		r := p.start(pipe, mode...)
		p.gently(120_000, 100)
		r.rest()
		r.signal(syscall.SIGINT)
		var trace bytes.Buffer
		if _, err := trace.ReadFrom(in); err != nil { // until the process ends
			p.t.Fatal(err)
		}
		r.wait(exitOK)
		r.read(&trace)
		r.balance(false)
		r.told(append(r.starved(), traces.WriterOverrun.String())...)
		usage := r.cmd.ProcessState.SysUsage().(*syscall.Rusage)
		if r.rep.Record.Losses.Records == 0 || usage.Maxrss<<10 > maxResident {
			p.t.Errorf("%d records lost, %d MiB resident", r.rep.Record.Losses.Records, usage.Maxrss>>10)
		}
		p.t.Logf("%d MiB resident", usage.Maxrss>>10)
	})
}

// TestLiveDiskFull: a full disk costs records, never packets; the error names
// the file, the number and the way out, and what is there can be read. The disk
// is a small tmpfs that only this test's thread and its children see.
func TestLiveDiskFull(t *testing.T) {
	inPlaces(t, "record dropper", func(p *place, mode []string) {
		runtime.LockOSThread() // for good: nobody else is to have its mounts
		disk := filepath.Join(p.dir, "disk")
		if err := os.Mkdir(disk, 0o777); err != nil {
			p.t.Fatal(err)
		}
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			p.t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=16k"); err != nil {
			p.t.Fatal(err)
		}
		defer func() {
			if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
				p.t.Error(err)
			}
		}()
		r := p.start(filepath.Join(disk, "t.zst"), mode...)
		p.gently(50_000, 100)
		r.rest()
		r.end(exitRuntime)
		r.balance(false)
		lost := r.rep.Record.Losses.Records
		want := fmt.Sprintf("write %s: no space left on device: make room or write to another disk; the packets passed, but %d records were not written", r.file, lost)
		if r.rep.Record.Clean || lost == 0 || r.rep.Record.Records == 0 || !strings.Contains(r.errs.String(), want) {
			p.t.Errorf("%+v\n%s", r.rep.Record, r.errs.String())
		}
		r.told(append(r.starved(), traces.WriterOverrun.String())...)
	})
}

// TestLiveStarved: a loop that shares one processor with hogs serves late, and
// counts right.
func TestLiveStarved(t *testing.T) {
	inPlaces(t, "record dropper", func(p *place, mode []string) {
		runtime.LockOSThread() // what it starts has its processor
		var all, one unix.CPUSet
		if err := unix.SchedGetaffinity(0, &all); err != nil {
			p.t.Fatal(err)
		}
		for cpu := 0; one.Count() == 0; cpu++ {
			if all.IsSet(cpu) {
				one.Set(cpu)
			}
		}
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			p.t.Fatal(err)
		}
		for range 4 {
			hog := exec.Command("sh", "-c", "while :; do :; done")
			hog.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			if err := hog.Start(); err != nil {
				p.t.Fatal(err)
			}
			defer func() { _ = hog.Process.Kill(); _ = hog.Wait() }()
		}
		r := p.start(p.trace(), append([]string{"--maxlen", "200"}, mode...)...)
		if err := unix.SchedSetaffinity(0, &all); err != nil {
			p.t.Fatal(err)
		}
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			p.send(300, 100)
		}
		r.rest()
		r.end(exitOK)
		r.balance(false)
		r.told(keys(r.rep.Record.Losses.ByName())...)
		r.verify()
	})
}

func keys(m map[string]uint64) (names []string) {
	for k := range m {
		names = append(names, k)
	}
	return names
}

// TestLiveStatusLine: the line on a terminal tells of a loss while the
// recording runs.
func TestLiveStatusLine(t *testing.T) {
	inPlaces(t, "record qdisc", func(p *place, mode []string) {
		screen := openTerminal(p)
		r := p.start(p.trace(), append([]string{"--rcvbuf", "1"}, mode...)...)
		r.freeze(func() { p.send(100, 100) })
		r.rest()
		p.send(1, 100)
		screen.wait(p, regexp.MustCompile(`packets .*  lost [1-9]\d*, unrecorded 0, buffer full [1-9]\d* times`))
		r.signal(syscall.SIGINT)
		r.wait(exitOK)
	})
}

// screen is what a terminal has been shown.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// openTerminal gives the place's recordings a terminal.
func openTerminal(p *place) *screen {
	p.t.Helper()
	front, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		p.t.Skipf("no terminals here: %v", err)
	}
	n, err := unix.IoctlGetInt(int(front.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(front.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		p.terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		p.t.Skipf("no terminals here: %v", err)
	}
	p.t.Cleanup(func() { p.terminal.Close(); front.Close() })
	s := &screen{}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := front.Read(buf)
			s.mu.Lock()
			s.text.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

// wait waits until the screen has shown what matches.
func (s *screen) wait(p *place, what *regexp.Regexp) {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		s.mu.Lock()
		found := what.Match(s.text.Bytes())
		s.mu.Unlock()
		if found {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.t.Fatalf("no %s in %q", what, s.text.Bytes()[max(0, s.text.Len()-300):])
}
