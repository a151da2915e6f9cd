package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nfq/plain"
	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/traces"
)

// programCommand is the hidden command of a queue program in Go. Its argument
// is a programTask; like the C program it writes "ready" to standard output once
// its queue is bound, and a Program when SIGTERM has ended it. SIGUSR1 tells it
// that the flood begins.
const programCommand = "__bench-program"

// programTask is what a Go program is to do.
type programTask struct {
	Row   Row    `json:"row"`
	GSO   bool   `json:"gso"`
	Qdisc string `json:"qdisc,omitempty"`
}

// Hidden runs the hidden command that args (os.Args) may hold: this program
// called by itself as a queue program. ours is false for other command lines.
func Hidden(args []string, ports egress.Maker) (code int, ours bool) {
	if len(args) != 3 || args[1] != programCommand {
		return 0, false
	}
	if err := runProgram(args[2], ports, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n", err)
		return 1, true
	}
	return 0, true
}

func runProgram(arg string, ports egress.Maker, out io.Writer) error {
	var t programTask
	if err := json.Unmarshal([]byte(arg), &t); err != nil {
		return fmt.Errorf("this command is for uq's own use: %w", err)
	}
	signal.Ignore(syscall.SIGINT) // the router decides what it means
	ctx, watch := watchSignals()
	conf := nfq.Config{Queue: queueNumber, CopyRange: copyRange, MaxLen: queueMaxLen, RcvBuf: rcvBuf, GSO: t.GSO}
	var res Program
	ready := func() {
		watch.look(&watch.start)
		fmt.Fprintln(out, "ready") // a router that is gone ends this process too
	}
	var err error
	if t.Row == Plain {
		var n plain.Counts
		n, err = plain.Accept(ctx, conf, ready)
		res.Packets, res.Bytes, res.Overflows = n.Packets, n.Bytes, n.Errors
	} else {
		err = serveQueue(ctx, &t, conf, ports, ready, &res)
	}
	if err != nil {
		return err
	}
	res.Go = watch.result()
	return json.NewEncoder(out).Encode(res)
}

// watchSignals looks at the runtime as the signals come. SIGTERM ends ctx.
func watchSignals() (ctx context.Context, w *goWatch) {
	ctx, cancel := context.WithCancel(context.Background())
	w = &goWatch{}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGTERM)
	go func() {
		for s := range signals {
			if s == syscall.SIGTERM {
				w.look(&w.end)
				cancel()
				return
			}
			w.look(&w.flood)
		}
	}()
	return ctx, w
}

// serveQueue runs the programs over package nfq.
func serveQueue(ctx context.Context, t *programTask, conf nfq.Config, ports egress.Maker, ready func(), res *Program) (err error) {
	q, err := nfq.Open(conf)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	switch t.Row {
	case NoOp:
		defer context.AfterFunc(ctx, q.Shutdown)()
		ready()
		err = acceptAll(q, res)
	case Record:
		err = recordAll(ctx, q, ready, res)
	case Live:
		err = schedule(ctx, q, t.Qdisc, ports, ready, res)
	default:
		err = fmt.Errorf("row %q is no program of uq's", t.Row)
	}
	return err
}

// acceptAll is the no-op: batches in, batches of verdicts out.
func acceptAll(q *nfq.Queue, res *Program) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	verdicts := make([]nfq.Verdict, 0, nfq.BatchSize)
	for {
		b, err := q.Receive(nfq.Forever)
		verdicts = verdicts[:0]
		for i := range b.Packets {
			verdicts = append(verdicts, nfq.Verdict{ID: b.Packets[i].ID, Action: nfq.Accept})
			res.Bytes += uint64(b.Packets[i].Len)
		}
		res.Packets += uint64(len(b.Packets))
		if b.Loss.Any() {
			res.lost(b.Loss)
		}
		if len(verdicts) > 0 {
			if serr := q.Send(verdicts); err == nil {
				err = serr
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (p *Program) lost(l nfq.Loss) {
	p.Missing += l.Missing
	p.Overflows += l.Overflows
	p.Failed += l.Gone + l.Refused
}

// newTrace starts a trace that nobody keeps: writing it costs what it costs, and
// the disk stays out of the measurement.
func newTrace(clock record.Clock, s *traces.Scheduler) (*traces.Writer, error) {
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	h := record.NewHeader(clock, traces.Capture{
		Queue: queueNumber, Mode: "lab", CopyRange: copyRange, MaxLen: queueMaxLen, SegmentMTU: netns.MTU,
	})
	h.Tool, h.Scheduler = "uq bench", s
	return traces.NewWriter(f, h, traces.WriterOptions{})
}

// recordAll is uq record.
func recordAll(ctx context.Context, q *nfq.Queue, ready func(), res *Program) error {
	clock := record.StartClock()
	w, err := newTrace(clock, nil)
	if err != nil {
		return err
	}
	ready()
	sum, err := record.Run(ctx, q, w, record.Options{Clock: clock, CopyRange: copyRange, MTU: netns.MTU})
	res.fill(sum.Counts)
	return err
}

// schedule is uq record --qdisc at unlimited rate.
func schedule(ctx context.Context, q *nfq.Queue, qdisc string, ports egress.Maker, ready func(), res *Program) error {
	clock := record.StartClock()
	s := traces.Scheduler{Qdisc: qdisc, Link: "unlimited", GSO: "whole"}
	w, err := newTrace(clock, &s)
	if err != nil {
		return err
	}
	l, err := replay.NewLive(q, replay.LiveOptions{Clock: clock, Ports: ports, Scheduler: s, LinkHeader: linkHeader, MTU: netns.MTU, CEMark: 1})
	if err != nil {
		return err
	}
	ready()
	r, err := l.Run(ctx, w)
	res.fill(r.Counts)
	res.Lateness = &r.Lateness
	return err
}

// linkHeader is Ethernet's, in bytes.
const linkHeader = 14

func (p *Program) fill(c record.Counts) {
	p.Packets, p.Bytes = c.Packets, c.Bytes
	p.Missing, p.Overflows = c.Losses.Missing, c.Losses.Overflows
	p.Failed, p.Unrecorded = c.Losses.Gone+c.Losses.Refused, c.Losses.Records
}
