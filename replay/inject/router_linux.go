package inject

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// The router's links in a wire.
const (
	routerIn  = netns.ToClient
	routerOut = netns.ToServer
)

// Capture is the router's part in a wire: it schedules what comes.
func Capture(t *Task) netns.Capture {
	return func(ctx context.Context, l *netns.Lab) (any, error) {
		if len(l.Files) != taskFiles {
			return nil, errors.New("read the lab's task: files are missing")
		}
		r := &routerEnd{task: t, lab: l, log: newLogWriter(l.Files[arrivalsFile]), copies: newLogWriter(l.Files[copiesFile])}
		in, out, lost := readDevice(routerIn), readDevice(routerOut), discarded()
		err := r.run(ctx)
		r.result.In, r.result.Out = readDevice(routerIn).since(in), readDevice(routerOut).since(out)
		r.result.Discarded = discarded() - lost
		return r.result, errors.Join(err, r.log.close(), r.copies.close())
	}
}

// routerEnd is a Capture at work.
type routerEnd struct {
	task   *Task
	lab    *netns.Lab
	log    *logWriter
	copies *logWriter
	conf   nfq.Config
	result RouterResult
}

// run binds the queue, schedules until the end and notes every arrival.
func (r *routerEnd) run(ctx context.Context) (err error) {
	t := r.task
	tr, err := OpenTrace(r.lab.Files[traceFile])
	if err != nil {
		return err
	}
	recorded := tr.Header()
	if r.result.MaxLen = t.MaxLen; t.MaxLen == 0 {
		r.result.MaxLen = nfq.DefaultMaxLen
	}
	whole, err := t.whole()
	if err != nil {
		return err
	}
	r.conf = nfq.Config{Queue: r.lab.Config.Queue, GSO: true, CopyRange: nfq.DefaultCopyRange, MaxLen: r.result.MaxLen, RcvBuf: t.RcvBuf, BusyPoll: t.BusyPoll}
	if whole {
		r.conf.GSO, r.conf.CopyRange = false, nfq.MaxCopyRange
		r.conf.RcvBuf = cmp.Or(t.RcvBuf, replay.WholeRcvBuf)
	}
	q, err := nfq.Open(r.conf)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	clock := record.StartClock()
	live, err := replay.NewLive(q, r.options(clock, recorded))
	if err != nil {
		return err
	}
	if err := t.thread().Try(2); err != nil { // the source's and this one's
		return err
	}
	if err := r.lab.Files[outcomeFile].Truncate(0); err != nil {
		return fmt.Errorf("empty the outcome: %w", err)
	}
	w, err := traces.NewWriter(r.lab.Files[outcomeFile], r.header(clock, recorded, q.RcvBuf()), traces.WriterOptions{})
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return fmt.Errorf("write the outcome: %w: %s (without -o, $TMPDIR names the directory)", pe.Err, record.WayOut(pe.Err))
	}
	if err != nil {
		return err
	}
	r.lab.Ready() // and the rule goes in
	r.result.Live, err = live.Run(ctx, w)
	r.result.Unwritten, err = unwritten(err)
	if st, kerr := nfq.ReadKernelState(r.conf.Queue); kerr == nil {
		r.result.Kernel = &KernelQueue{Full: st.Full, Undelivered: st.Undelivered}
	}
	return err
}

// unwritten takes a failure to write the outcome out of err: the packets went
// on, and their account is worth having.
func unwritten(err error) (*Unwritten, error) {
	var we *record.WriteError
	if !errors.As(err, &we) {
		return nil, err
	}
	var rest []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			if e != error(we) {
				rest = append(rest, e)
			}
		}
	}
	return &Unwritten{we.Records, we.Err.Error()}, errors.Join(rest...)
}

func (r *routerEnd) options(clock record.Clock, recorded traces.Header) replay.LiveOptions {
	t := r.task
	base := clock.Anchor().MonotonicNs
	return replay.LiveOptions{
		Clock: clock, Ports: t.Ports, Scheduler: t.Scheduler, LinkHeader: recorded.LinkHeader, MTU: segmentMTU(recorded),
		CEMark: CEMark, Timer: t.Timer,
		Drain: func(cause error) time.Duration {
			if errors.Is(cause, netns.ErrFinished) && !r.lab.Interrupted() {
				return t.Drain
			}
			return 0
		},
		Thread: func() error { return t.tune(1) },
		Witness: record.Witness{
			KernelState: func() (nfq.KernelState, error) { return nfq.ReadKernelState(r.lab.Config.Queue) },
			Fed: func() (uint64, error) {
				c, err := r.lab.Counter()
				return c.Packets, err
			},
		},
		OnArrival: func(_ uint64, p *nfq.Packet, at pkt.Time) {
			tag, _, _ := readTag(p.Payload)
			(&arrivalEntry{at: base + int64(at), tag: tag, len: p.Len}).put(r.log.next())
		},
		OnCopy: func(b []byte, damaged bool, at pkt.Time) {
			tag, _, _ := readTag(b)
			(&copyEntry{at: base + int64(at), tag: tag, len: uint32(len(b)), damaged: damaged}).put(r.copies.next())
		},
	}
}

// header is the outcome's.
func (r *routerEnd) header(clock record.Clock, recorded traces.Header, rcvbuf int) traces.Header {
	t := r.task
	h := record.NewHeader(clock, traces.Capture{
		Queue: r.lab.Config.Queue, Mode: "lab", Rule: r.lab.Rule, CopyRange: r.conf.CopyRange, MaxLen: r.result.MaxLen,
		GSO: r.conf.GSO, RcvBuf: rcvbuf, SegmentMTU: segmentMTU(recorded), Direction: string(netns.Up),
	})
	h.Tool, h.Comment, h.LinkHeader, h.Scheduler = t.Tool, t.Comment, recorded.LinkHeader, &t.Scheduler
	h.Anonymized = recorded.Anonymized
	return h
}

// emptyFile makes a file that is to be written from its front.
func emptyFile(pattern string) (*os.File, error) {
	f, err := os.CreateTemp("", pattern)
	if err != nil {
		return nil, fmt.Errorf("%w: $TMPDIR names the directory", err)
	}
	return f, os.Remove(f.Name()) // it lives as long as it is open
}
