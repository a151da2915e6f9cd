// Package record is the capture loop: it takes packets from an NFQUEUE, lets
// every one of them pass at once, and writes down what it saw.
//
//	queue ──► capture (one thread) ──► ring of blocks ──► write (merge, decode, traces.Writer)
//	  ▲           │ verdicts               bounded
//	  └───────────┘
//
// There may be several queues, each with a capture and a ring of its own; the
// trace is one, in order of time.
//
// Packets come first. They get their verdicts before anything else happens to
// them, and where the disk is too slow or full it is records that are dropped,
// never packets; the trace and the [Summary] say how many.
package record

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/thread"
	"github.com/uqtool/uq/traces"
)

// Queue is what the loop needs of an nfq.Queue.
type Queue interface {
	Receive(timeout time.Duration) (nfq.Batch, error)
	Send([]nfq.Verdict) error
	Shutdown()
}

var _ Queue = (*nfq.Queue)(nil)

// DefaultBuffer is the length of the ring in packets when none is given: at
// 200 000 packets a second the disk may pause for a third of a second.
const DefaultBuffer = 1 << 16

// Options change a recording. Clock is needed; zero for the rest is the default.
type Options struct {
	// Clock is the trace's time line; its anchor belongs into the header.
	Clock Clock
	// CopyRange is the queue's, in bytes.
	CopyRange int
	// MTU is what the segments of super-packets are estimated with.
	MTU int
	// Buffer is how many packets may wait for the disk; 0 means DefaultBuffer.
	// Each takes about 80 bytes and the copy range.
	Buffer int
	// Packets ends the recording after so many; 0 has no limit.
	Packets uint64
	// Progress, if not nil, is called about four times a second, from another
	// goroutine.
	Progress func(Progress)
	// Meter, if not nil, is fed by the loop.
	Meter *Meter
	// Witness tells of losses that nothing else does.
	Witness Witness
	// Thread, if not nil, is called in the thread that serves the i-th queue
	// before it starts.
	Thread func(i int) error
}

// Run records from q to w until ctx is done, the packet limit is reached or
// something breaks, and closes w. It leaves closing q to the caller. When ctx
// is done it first lets pass what is queued; the cause of ctx is written to the
// trace as the reason of the end.
//
// A trace that cannot be written does not end the recording: the error is kept
// and returned at the end. The Summary is complete in any case.
func Run(ctx context.Context, q Queue, w *traces.Writer, o Options) (Summary, error) {
	return RunAll(ctx, []Queue{q}, w, o)
}

// RunAll is Run over several queues, each of which has a thread of its own. The
// trace has the packets of all in the order of their times of arrival, and
// those of one queue in their order there; of equal times the queue that comes
// first in qs comes first. One queue's error ends all.
func RunAll(ctx context.Context, qs []Queue, w *traces.Writer, o Options) (Summary, error) {
	if o.CopyRange <= 0 {
		o.CopyRange = nfq.DefaultCopyRange
	}
	if o.Buffer <= 0 {
		o.Buffer = DefaultBuffer
	}
	for range qs {
		defer thread.Reserve()()
	}
	g := NewLedger(w, o.Clock, o.Witness)
	all := newCaptures(qs, g, o)
	wr := newWriter(g, all.rings, all.shared, o)
	written := make(chan struct{})
	go func() {
		defer close(written)
		wr.run()
	}()

	release := g.StopWith(ctx, all)
	captureErr := all.run()
	release()
	<-written

	c := all.sum()
	why := Why(ctx, captureErr)
	if captureErr == nil && c.quota.reached() {
		why = fmt.Sprintf("limit of %d packets", c.quota.limit)
	}
	wr.rest(c.overrun, c.untold)
	wr.close(why, captureErr == nil, c.received)
	return summarize(c, wr, why), errors.Join(captureErr, g.Failure(wr.shared.get().Losses))
}

// Why words the reason of a run's end: its error, or the cause of ctx.
func Why(ctx context.Context, err error) string {
	switch cause := context.Cause(ctx); {
	case err != nil:
		return err.Error()
	case errors.Is(cause, context.DeadlineExceeded):
		return "duration over"
	case cause != nil && !errors.Is(cause, context.Canceled):
		return cause.Error()
	}
	return "stopped"
}
