package record

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"syscall"
	"time"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// flushAfter, with a tick and a block's age on top, is how old a record may be
// that a crash loses, below one second: from when it came here. Under a
// scheduler that is when it, and all before it, have been decided about.
const flushAfter = 700 * time.Millisecond

// Witness tells of packets that never reached the queue's reader, of which its
// socket is silent. Functions may be nil; their errors mean "cannot know".
type Witness struct {
	// KernelState reads the kernel's account of the queue.
	KernelState func() (nfq.KernelState, error)
	// Fed reads how many packets the rule has sent to the queue: the only
	// witness where the kernel's account may not be read. It is called once, from
	// any goroutine.
	Fed func() (uint64, error)
	// Segmented says that the kernel may segment what the rule counts whole: Fed
	// then is the least there were.
	Segmented bool
	// FailOpen says that what did not fit the queue passed instead of being
	// dropped.
	FailOpen bool
}

// Kept adds up the records of a trace.
type Kept struct {
	Records uint64 `json:"records"`
	// Segs is how many packets on the wire they stand for.
	Segs uint64 `json:"segs"`
	// Bytes is from layer 3 up.
	Bytes uint64 `json:"bytes"`
}

// Ledger is a trace under way: it writes, asks the witnesses, and knows what
// of the trace is safe. After an error it writes no more but goes on counting.
// It belongs to the goroutine that writes, except Stop and StopWith.
type Ledger struct {
	w       *traces.Writer
	clock   Clock
	witness Witness
	err     error
	flushed pkt.Time // when last

	sum    Kept // all that came to be written
	safe   Kept // those of the blocks that were
	blocks uint64

	told        Losses // what the witnesses told: Missing and QueueFull
	answers     bool   // the kernel does tell
	full        uint64 // as it told
	undelivered uint64
	gaps        uint64 // packets missing in the ids, as events told
	explained   uint64 // of gaps, those that are among full

	stop  sync.Once
	mu    sync.Mutex
	fed   uint64 // when the queue was stopped
	knows bool   // fed is known
}

// NewLedger starts a ledger of w, whose time line is clock's.
func NewLedger(w *traces.Writer, clock Clock, witness Witness) *Ledger {
	return &Ledger{w: w, clock: clock, witness: witness}
}

// Append writes r.
func (g *Ledger) Append(r *traces.Record) {
	g.sum.Records++
	g.sum.Segs += uint64(r.Segs)
	g.sum.Bytes += uint64(r.Len)
	g.keep(func() error { return g.w.Append(r) })
}

// Event writes e, less what the kernel explains otherwise.
func (g *Ledger) Event(e traces.Event) {
	if e.Kind == traces.IDGap {
		if e.Count = g.unexplained(e.Count); e.Count == 0 {
			return
		}
	}
	g.write(e)
}

func (g *Ledger) write(e traces.Event) { g.keep(func() error { return g.w.Event(e) }) }

// unexplained is how many of n packets, missing in the ids, the kernel does not
// tell of as having found the queue full. Most kernels drop such a packet before
// it has an id; those that keep queued packets in a table give it one, and drop
// it when the table is full.
func (g *Ledger) unexplained(n uint64) uint64 {
	g.gaps += n
	g.askKernel()
	if !g.answers || g.gaps <= g.undelivered {
		return n
	}
	full := min(g.gaps-g.undelivered, g.full)
	if full <= g.explained {
		return n
	}
	more := min(n, full-g.explained)
	g.explained += more
	return n - more
}

// Tick does what is due by time; it wants to be called a few times a second.
func (g *Ledger) Tick() {
	g.askKernel()
	if now := g.clock.Now(); now.Sub(g.flushed) >= flushAfter {
		g.flushed = now
		g.keep(g.w.Flush)
	}
}

// keep calls f unless the trace is broken, and notes which records cannot be
// lost any more: a block takes along all that were waiting for one.
func (g *Ledger) keep(f func() error) {
	if g.err != nil {
		return
	}
	g.err = f()
	if st := g.w.Stats(); g.err == nil && st.Blocks != g.blocks {
		g.blocks, g.safe = st.Blocks, g.sum
	}
}

// askKernel looks for losses that only the kernel knows: packets that found the
// queue full have no id.
func (g *Ledger) askKernel() {
	if g.witness.KernelState == nil {
		return
	}
	st, err := g.witness.KernelState()
	if err != nil {
		return
	}
	g.answers = true
	if st.Full > g.full {
		g.queueFull(st.Full-g.full, "")
		g.full = st.Full
	}
	g.undelivered = max(g.undelivered, st.Undelivered)
}

func (g *Ledger) queueFull(n uint64, text string) {
	g.told.QueueFull += n
	g.write(traces.Event{Time: g.clock.Now(), Kind: traces.QueueFull, Count: n, Text: text})
}

// Stop ends the queue's feed. Just before it notes what the rule has sent: each
// of those packets has come once the queue has ended, or never will.
func (g *Ledger) Stop(q interface{ Shutdown() }) {
	g.stop.Do(func() {
		if g.witness.Fed == nil {
			return
		}
		n, err := g.witness.Fed()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.fed, g.knows = n, err == nil
	})
	q.Shutdown()
}

// StopWith calls Stop when ctx is done. The returned function ends that, and
// waits for a Stop that it has begun.
func (g *Ledger) StopWith(ctx context.Context, q interface{ Shutdown() }) (release func()) {
	over := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(over)
		g.Stop(q)
	})
	return func() {
		if !cancel() {
			<-over
		}
	}
}

// Close asks the witnesses for the last time and ends the trace. It sets end's
// duration and losses. received is how many packets came from the queue, seen
// what its reader knows to be lost; the result is that and all the rest.
func (g *Ledger) Close(end traces.End, received uint64, seen Losses) Losses {
	g.askKernel()
	// Ids missing at the very end have no successor to show the gap.
	if missing := g.Losses(seen).Missing; g.undelivered > missing {
		g.told.Missing = g.undelivered - missing
		g.write(traces.Event{Time: g.clock.Now(), Kind: traces.IDGap, Count: g.told.Missing, Text: "after the last packet"})
	}
	g.askRule(received, seen)
	end.DurationNs = int64(g.clock.Now())
	end.Lost = g.Losses(seen).ByKind()
	g.keep(func() error { return g.w.Close(end) })
	return g.Losses(seen)
}

// askRule compares the rule's count with what is known of its packets. The
// kernel's own account is better, but does not count what fail-open let pass.
func (g *Ledger) askRule(received uint64, seen Losses) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.Losses(seen)
	known := received + all.Missing + all.Unparsed + all.QueueFull
	if !g.knows || g.answers && !g.witness.FailOpen || g.fed <= known {
		return
	}
	text := "counted by the rule, but never delivered"
	if g.witness.FailOpen {
		text = "counted by the rule, and passed unseen: fail-open"
	}
	if g.witness.Segmented {
		text += "; at least, since it counts super-packets before they are segmented"
	}
	g.queueFull(g.fed-known, text)
}

// Certainty says how far a count can be trusted.
type Certainty string

// The certainties.
const (
	Exact   Certainty = "exact"
	AtLeast Certainty = "at_least"
	Unknown Certainty = "unknown"
)

// QueueFullKnown says what Losses.QueueFull is worth once the trace is closed:
// without a witness that answers it is 0 whatever happened.
func (g *Ledger) QueueFullKnown() Certainty {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.answers && !g.witness.FailOpen:
		return Exact
	case !g.knows:
		return Unknown
	case g.witness.Segmented:
		return AtLeast
	}
	return Exact
}

// Losses joins what the reader has seen with what the witnesses told and what
// was not written.
func (g *Ledger) Losses(seen Losses) Losses {
	seen.Missing += g.told.Missing
	seen.Missing -= min(g.explained, seen.Missing)
	seen.QueueFull += g.told.QueueFull
	if g.err != nil {
		seen.Records += g.sum.Records - g.safe.Records
	}
	return seen
}

// Safe is what the trace holds for certain.
func (g *Ledger) Safe() Kept { return g.safe }

// Stats is what the trace's writer has done.
func (g *Ledger) Stats() traces.WriterStats { return g.w.Stats() }

// Err is why the trace cannot be written any more, or nil.
func (g *Ledger) Err() error { return g.err }

// Failure is Err as a *WriteError.
func (g *Ledger) Failure(seen Losses) error {
	if g.err == nil {
		return nil
	}
	err := g.err
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		err = pe.Err // the caller knows the file by a better name
	}
	return &WriteError{Records: g.Losses(seen).Records, Err: err}
}

// WriteError says that a trace could not be written to its end.
type WriteError struct {
	// Name is the file's, if known.
	Name string
	// Records were not written, though their packets passed.
	Records uint64
	Err     error
}

// Error words it with the way out.
func (e *WriteError) Error() string {
	name := "the trace"
	if e.Name != "" {
		name = e.Name
	}
	return fmt.Sprintf("write %s: %v: %s; the packets passed, but %d records were not written", name, e.Err, WayOut(e.Err), e.Records)
}

// WayOut says what helps where a trace cannot be written because of err. Of an
// error whose kind is not known, as one that another process had, a full disk is
// the likely cause.
func WayOut(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) && errno != syscall.ENOSPC && errno != syscall.EDQUOT {
		return "write to another file"
	}
	return "make room or write to another disk"
}

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }

// Rounds counts how often a queue's socket was read empty. Only then has come
// what the kernel said to earlier verdicts. The zero value is ready.
type Rounds struct {
	full int // reads of a full batch in a row
	n    uint64
}

// fullReads times nfq.BatchSize is more messages than a receive buffer of the
// default size holds: under a load that never lets it run empty, so many reads
// are a round.
const fullReads = 256

// Advance takes in what a read brought.
func (r *Rounds) Advance(b nfq.Batch) {
	messages := uint64(len(b.Packets)) + b.Loss.Gone + b.Loss.Refused
	if r.full++; messages < nfq.BatchSize || r.full == fullReads {
		r.full = 0
		r.n++
	}
}

// Now is the number of the round under way, from 1.
func (r *Rounds) Now() uint64 { return r.n + 1 }
