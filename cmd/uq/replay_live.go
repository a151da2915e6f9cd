package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/replay/inject"
)

// liveFlags are the flags of liveOptions.
var liveFlags = []string{"output", "timer", "cpu", "compare", "maxlen", "rcvbuf", "drain", "comment"}

// liveOptions are the flags that matter to a live replay only.
type liveOptions struct {
	output  string
	timer   string
	cpu     string
	compare bool
	maxLen  int
	rcvBuf  int
	drain   time.Duration
	comment string
	cpus    []int // made of cpu
}

// defaultDrain is how long held packets may take to leave at the end.
const defaultDrain = 10 * time.Second

func (l *liveOptions) flags(f *pflag.FlagSet) {
	f.StringVarP(&l.output, "output", "o", "", "live: trace of what happened to write, replacing what is there")
	f.StringVar(&l.timer, "timer", string(replay.Hybrid), "live: how to wait: sleep, hybrid (sleep, then poll for 100us) or spin (poll: costs a core)")
	f.StringVar(&l.cpu, "cpu", "", "live: CPUs to pin the sending and the scheduling loop to, as 0,1")
	f.BoolVar(&l.compare, "compare", false, "live: compare with simulations, packet by packet (takes about 50 bytes of memory a packet)")
	f.IntVar(&l.maxLen, "maxlen", 0, "live: the kernel queue's limit in packets (0: the default of uq record)")
	f.IntVar(&l.rcvBuf, "rcvbuf", 0, "live: socket receive buffer to ask for, in bytes (0: the default of uq record)")
	f.DurationVar(&l.drain, "drain", defaultDrain, "live: how long packets may be held after the last was sent")
	f.StringVar(&l.comment, "comment", "", "live: remark to keep in the trace")
}

func (l *liveOptions) validate() error {
	if _, err := replay.ParseTimer(l.timer); err != nil {
		return usageErrorf("--timer: %w", err)
	}
	switch {
	case l.output == "-":
		return usageErrorf("-o -: the report goes to standard output: write the trace to a file")
	case l.maxLen < 0 || l.maxLen > 1<<30:
		return usageErrorf("--maxlen %d: want 1 to %d packets", l.maxLen, 1<<30)
	case l.rcvBuf < 0 || l.rcvBuf > 1<<30:
		return usageErrorf("--rcvbuf %d: want 1 to %d bytes", l.rcvBuf, 1<<30)
	case l.drain < 0 || l.drain > 10*time.Minute:
		return usageErrorf("--drain %s: want 0 to 10m", l.drain)
	}
	if l.cpu == "" {
		return nil
	}
	for _, w := range strings.Split(l.cpu, ",") {
		n, err := strconv.Atoi(w)
		if err != nil || n < 0 || n > 1023 || len(l.cpus) == 2 {
			return usageErrorf("--cpu %q: want one or two CPU numbers, as 0 or 0,1", l.cpu)
		}
		l.cpus = append(l.cpus, n)
	}
	return nil
}

// replayLive sends the trace through a queue in a lab.
func replayLive(ctx context.Context, s *streams, o *replayOptions, in *input, rep *replayReport) error {
	t := &inject.Task{
		Selection: o.sel, Scheduler: o.scheduler(), Timer: replay.Timer(o.liveOnly.timer), CPUs: o.liveOnly.cpus,
		MaxLen: o.liveOnly.maxLen, RcvBuf: o.liveOnly.rcvBuf, Drain: o.liveOnly.drain, Tool: toolName(), Comment: o.liveOnly.comment,
	}
	payload, err := json.Marshal(t)
	if err != nil {
		return err
	}
	trace, err := in.file()
	if err != nil {
		return err
	}
	defer trace.Close()
	files := inject.Files{Trace: trace, Stderr: os.Stderr}
	if o.liveOnly.output != "" {
		out, err := openReplayOutput(o.liveOnly.output, trace)
		if err != nil {
			return err
		}
		defer out.Close()
		files.Outcome = out
	}
	rep.Report, err = inject.Run(ctx, t, payload, files, o.liveOnly.compare)
	if err != nil {
		return err
	}
	if rep.Run == nil {
		return context.Canceled
	}
	rep.Notes, rep.Report.Notes = append(rep.Notes, rep.Report.Notes...), nil
	if err := writeReplay(s, o, rep); err != nil {
		return err
	}
	if n := rep.Balance.Unexplained; n != 0 {
		return fmt.Errorf("%d packets are unexplained", n)
	}
	return nil
}

// openReplayOutput empties the file for the outcome, unless it is the trace.
func openReplayOutput(name string, trace *os.File) (*os.File, error) {
	in, err1 := trace.Stat()
	out, err2 := os.Stat(name)
	if err1 == nil && err2 == nil && os.SameFile(in, out) {
		return nil, usageErrorf("-o %s: that is the trace to replay: choose another name", name)
	}
	if err2 == nil && !out.Mode().IsRegular() {
		return nil, usageErrorf("-o %s: not a file: choose another name", name)
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return nil, usageErrorf("-o: %w", err)
	}
	return f, nil
}

// file is the input as a file that other processes can read, too.
func (in *input) file() (*os.File, error) {
	r, err := in.open()
	if err != nil {
		return nil, usageErrorf("open trace: %w", err)
	}
	if f, ok := r.(*os.File); ok {
		return f, nil
	}
	defer r.Close()
	f, err := os.CreateTemp("", "uq-replay-*.zst")
	if err != nil {
		return nil, fmt.Errorf("copy the trace: %w", err)
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		f.Close()
		return nil, fmt.Errorf("copy the trace: %w", err)
	}
	return f, nil
}

func encodeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
