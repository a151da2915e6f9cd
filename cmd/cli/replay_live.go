package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/uqtool/uq/record/thread"
	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/replay/inject"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/traces"
)

// liveFlags are the flags of liveOptions.
var liveFlags = []string{"output", "timer", "cpu", "busy-poll", "nice", "rt", "compare", "maxlen", "rcvbuf", "drain", "comment", "dev", "dst-mac", "allow-real-network", "html", "svg", "plot"}

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
	dev     string
	dstMAC  string
	allow   bool
	servingOptions
	drawn drawn
	serve serving          // made of them
	cpus  []int            // made of cpu
	mac   net.HardwareAddr // made of dstMAC
}

// defaultDrain is how long held packets may take to leave at the end.
const defaultDrain = 10 * time.Second

func (l *liveOptions) flags(f *pflag.FlagSet) {
	once(f, &l.output, "output", "o", "live: trace of what happened to write, replacing what is there")
	f.StringVar(&l.timer, "timer", string(replay.Hybrid), "live: how to wait: sleep, hybrid (sleep, then poll for 100us) or spin (poll: costs a core)")
	f.StringVar(&l.cpu, "cpu", "auto", "live: CPUs to pin the sending and the scheduling loop to, as 0,1; auto: two, unless --timer sleep; none")
	l.servingOptions.flags(f, "live: ")
	f.BoolVar(&l.compare, "compare", false, "live: compare with simulations, packet by packet (takes about 50 bytes of memory a packet)")
	f.IntVar(&l.maxLen, "maxlen", 0, "live: the kernel queue's limit in packets (0: the default of uq record)")
	f.IntVar(&l.rcvBuf, "rcvbuf", 0, "live: socket receive buffer to ask for, in bytes (0: the default of uq record)")
	f.DurationVar(&l.drain, "drain", defaultDrain, "live: how long packets may be held after the last was sent")
	f.StringVar(&l.dev, "dev", "", "live: send out of this device of the host, without queue and scheduler, instead of in a lab (root)")
	f.StringVar(&l.dstMAC, "dst-mac", "", "live: with --dev, the hardware address to send to")
	f.BoolVar(&l.allow, "allow-real-network", false, "live: with --dev, yes, let the packets leave this machine")
	f.StringVar(&l.comment, "comment", "", "live: remark to keep in the trace")
	l.drawn.flags(f)
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
	if err := l.validateDevice(); err != nil {
		return err
	}
	var err error
	if l.serve, err = l.serving(); err != nil {
		return err
	}
	switch l.cpu {
	case "none":
		return nil
	case "auto":
		if l.timer != string(replay.Sleep) {
			l.cpus = inject.DefaultCPUs()
		}
		return nil
	}
	if l.cpus, err = thread.ParseCPUs(l.cpu); err != nil || len(l.cpus) > 2 {
		return usageErrorf("--cpu %q: want one or two CPU numbers, as 0 or 0,1, or auto or none", l.cpu)
	}
	if _, err := parseCPUs(l.cpu); err != nil {
		return usageErrorf("--cpu: %w", err)
	}
	return nil
}

// validateDevice asks for what must be said before packets leave the machine.
func (l *liveOptions) validateDevice() (err error) {
	switch {
	case l.dev == "" && (l.dstMAC != "" || l.allow):
		return usageErrorf("--dst-mac and --allow-real-network go with --dev")
	case l.dev == "":
		return nil
	case l.output != "" || l.compare:
		return usageErrorf("--dev sends without a queue: no -o and no --compare; leave --dev out to replay in a lab")
	case !l.allow:
		return usageErrorf("--dev %s sends recorded packets, with their recorded addresses, into a real network: if that is what you want, add --allow-real-network", l.dev)
	}
	if l.mac, err = net.ParseMAC(l.dstMAC); err != nil || len(l.mac) != 6 {
		return usageErrorf("--dst-mac %q: want the hardware address to send to, such as the next router's: ip neigh show dev %s", l.dstMAC, l.dev)
	}
	return nil
}

// replayOnDevice sends the trace out of a device.
func replayOnDevice(ctx context.Context, s *streams, o *replayOptions, in *input, rep *replayReport) (err error) {
	trace, err := in.file()
	if err != nil {
		return err
	}
	defer trace.Close()
	t := &inject.Task{Selection: o.sel, Timer: replay.Timer(o.liveOnly.timer), CPUs: o.liveOnly.cpus,
		Nice: o.liveOnly.nice, RT: o.liveOnly.rt}
	rep.Mode, rep.Link = "device "+o.liveOnly.dev, ""
	rep.Report, err = inject.SendOn(ctx, t, o.liveOnly.dev, o.liveOnly.mac, func() (*traces.Reader, error) { return inject.OpenTrace(trace) })
	if err != nil {
		return err
	}
	return finishReplay(s, o, rep)
}

// finishReplay prints the report of packets really sent.
func finishReplay(s *streams, o *replayOptions, rep *replayReport) error {
	if rep.Balance.Packets == 0 && !rep.Interrupted {
		rep.Notes = append(rep.Notes, nothingSelected)
	}
	rep.Notes, rep.Report.Notes = append(rep.Notes, rep.Report.Notes...), nil
	if err := writeReplay(s, o, rep); err != nil {
		return err
	}
	switch n := rep.Balance.Unexplained; {
	case rep.Unwritten != nil:
		return rep.Unwritten
	case n != 0:
		return fmt.Errorf("%d packets are unexplained", n)
	case rep.Interrupted:
		return &exitError{exitInterrupted, errors.New("interrupted")}
	}
	return nil
}

// takeWhole splits super-packets where the link copies or corrupts what is on the
// wire.
func (o *replayOptions) takeWhole(l link.Link, rep *replayReport) error {
	if !replay.Whole(l) || o.gso == "split" {
		return nil
	}
	words := strings.Join(link.Rewrites(l), " and ")
	if o.gsoAsked {
		return usageErrorf("--gso whole does not go live with %s on the link, which happen to packets as they are on the wire: leave it out", words)
	}
	o.gso, o.sel.Split, rep.GSO = "split", true, "split"
	rep.Notes = append(rep.Notes, fmt.Sprintf("%s on the link: super-packets are split (--gso split), and every byte of every packet is read", words))
	return nil
}

// replayLive sends the trace through a queue in a lab.
func replayLive(ctx context.Context, s *streams, o *replayOptions, in *input, rep *replayReport) error {
	keepPipes()
	t := &inject.Task{
		Selection: o.sel, Ports: s.ports, Scheduler: o.scheduler(), Timer: replay.Timer(o.liveOnly.timer), CPUs: o.liveOnly.cpus,
		Nice: o.liveOnly.nice, RT: o.liveOnly.rt, BusyPoll: o.liveOnly.serve.BusyPoll,
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
		defer out.close()
		files.Outcome = out.File
	}
	rep.Report, err = inject.Run(ctx, t, payload, files, o.liveOnly.compare)
	if err != nil {
		return seeDoctor(ctx, err, true)
	}
	if rep.Run == nil {
		return context.Canceled
	}
	if u := rep.Unwritten; u != nil {
		u.Name = cmp.Or(o.liveOnly.output, "a temporary file in "+os.TempDir()+" ($TMPDIR)")
		rep.Notes = append(rep.Notes, u.Error())
	}
	if err := finishReplay(s, o, rep); err != nil {
		return err
	}
	return o.liveOnly.drawn.live(ctx, s, o.liveOnly.output, "uq replay --live -o "+shellQuote(o.liveOnly.output))
}

// openReplayOutput opens the file for the outcome, unless it is the trace. It is
// emptied when there is something to write.
func openReplayOutput(name string, trace *os.File) (*output, error) {
	in, err1 := trace.Stat()
	out, err2 := os.Stat(name)
	if err1 == nil && err2 == nil && os.SameFile(in, out) {
		return nil, usageErrorf("-o %s: that is the trace to replay: choose another name", name)
	}
	if err2 == nil && !out.Mode().IsRegular() {
		return nil, usageErrorf("-o %s: not a file: choose another name", name)
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, usageErrorf("-o: %w", err)
	}
	if err := lock(f); err != nil {
		_ = f.Close()
		return nil, usageErrorf("-o %s: %w", name, err)
	}
	return &output{File: f, created: err2 != nil}, nil
}

// openReplayInput finds the trace, and copies what cannot be read twice.
func openReplayInput(ctx context.Context, s *streams, name string) (*input, error) {
	st, err := os.Stat(name)
	if name == "-" || err != nil || st.Mode().IsRegular() {
		return openInput(ctx, s, name, true)
	}
	if st.IsDir() {
		return nil, usageErrorf("open trace: %s is a directory: name a file in it", name)
	}
	pipe, err := os.Open(name)
	if err != nil {
		return nil, usageErrorf("open trace: %w", err)
	}
	defer pipe.Close()
	in, err := spool(pipe)
	if err == nil {
		in.name = name
	}
	return in, err
}

// file is the input as a file that other processes can read, too.
func (in *input) file() (*os.File, error) {
	name := in.name
	if in.temp != "" {
		name = in.temp
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usageErrorf("open trace: %w", err)
	}
	return f, nil
}

func encodeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
