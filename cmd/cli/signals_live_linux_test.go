package cli

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLiveHangUp: the end of its terminal ends a recording in good order, with
// the packets that a scheduler holds.
func TestLiveHangUp(t *testing.T) {
	inPlaces(t, "record qdisc", func(p *place, mode []string) {
		// What is started under nohup is not to end.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
		if len(mode) > 0 {
			mode = []string{"--qdisc", "pfifo", "--link", "rate 100mbit delay 10s"}
		}
		r := p.start(p.trace(), mode...)
		p.send(10, 100)
		r.rest()
		r.signal(syscall.SIGHUP)
		r.wait(exitOK)
		f, err := os.Open(r.file)
		if err != nil {
			p.t.Fatal(err)
		}
		defer f.Close()
		r.read(f)
		r.balance(false)
		r.told()
		if r.met != 10 || r.through != 10 || !r.close.Clean {
			p.t.Errorf("%d of %d packets passed, the trace's end %+v", r.through, r.met, r.close)
		}
	})
}

// TestLiveReaderLeaves: where the reader of the trace, or of the words, goes
// away, records are lost, never packets.
func TestLiveReaderLeaves(t *testing.T) {
	inPlaces(t, "record qdisc", func(p *place, mode []string) {
		if len(mode) > 0 {
			mode = []string{"--qdisc", "pfifo", "--link", "rate 100mbit delay 2s"}
		}
		p.leave(exitRuntime, func(r *recording, pipe *os.File) {
			r.cmd.Args = slices.DeleteFunc(r.cmd.Args, func(a string) bool { return a == "--json" })
			r.cmd.Args[3], r.cmd.Stdout = "-", pipe
		}, mode...)
		r := p.leave(exitOK, func(r *recording, pipe *os.File) {
			r.cmd.Stderr = pipe
		}, mode...)
		f, err := os.Open(r.file)
		if err != nil {
			p.t.Fatal(err)
		}
		defer f.Close()
		if r.read(f); !r.close.Clean || len(r.recs) != 30 {
			p.t.Errorf("%d records, the trace's end %+v", len(r.recs), r.close)
		}
	})
}

// leave records to a pipe that is set as it likes, whose reader goes away, and
// looks for every packet.
func (p *place) leave(wantCode int, set func(r *recording, pipe *os.File), mode ...string) *recording {
	p.t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	r := p.prepare(p.trace(), mode...)
	set(r, writer)
	r.launch()
	reader.Close()
	writer.Close()
	// The first ones are written down while the others are held.
	for n := range uint64(2) {
		p.send(15, 100)
		for end := time.Now().Add(4 * time.Second); p.passed.Packets() < r.before[1]+15*(n+1) && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
	}
	r.signal(syscall.SIGINT)
	_ = r.cmd.Wait()
	if code := r.cmd.ProcessState.ExitCode(); code != wantCode {
		p.t.Errorf("exit %d, want %d\n%s", code, wantCode, r.errs.String())
	}
	if met, through := p.fed.Packets()-r.before[0], p.passed.Packets()-r.before[1]; met != 30 || through != 30 {
		p.t.Errorf("%d of %d packets passed\n%s", through, met, r.errs.String())
	}
	return r
}

// TestLiveDeafReader: a reader of the trace that is there, but does not read,
// does not keep a recording from ending; a second signal has it end at once.
func TestLiveDeafReader(t *testing.T) {
	inPlaces(t, "record qdisc", func(p *place, mode []string) {
		for signals, most := range map[int]time.Duration{1: 4 * patience, 2: patience - time.Second} {
			pipe, _ := p.smallPipe(fmt.Sprint("pipe", signals))
			r := p.start(pipe, mode...)
			p.gently(30_000, 100)
			r.rest()
			kill := time.AfterFunc(30*time.Second, func() { _ = r.cmd.Process.Kill() })
			begun := time.Now()
			for range signals {
				r.signal(syscall.SIGINT)
				time.Sleep(500 * time.Millisecond)
			}
			r.wait(exitRuntime)
			kill.Stop()
			if took := time.Since(begun); took > most || !strings.Contains(r.errs.String(), "its reader took nothing for") {
				p.t.Errorf("ended %s after %d signals, in words\n%s", took, signals, r.errs.String())
			}
			if l := r.rep.Record.Losses; l.Records == 0 || r.met != r.rep.Record.Packets+l.Missing+l.QueueFull || r.through != r.met-l.Missing-l.QueueFull {
				p.t.Errorf("met %d, through %d, losses %+v", r.met, r.through, l)
			}
		}
	})
}
