package traces

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/uqtool/uq/sim/pkt"
)

// WriterOptions change how a Writer writes. The zero value is the default.
type WriterOptions struct {
	// BlockRecords is how many records fill a packets block, 1 to
	// MaxBlockRecords; 0 means DefaultBlockRecords.
	BlockRecords int
}

// WriterStats is what a Writer has done so far.
type WriterStats struct {
	// Records and Events are those taken, including the ones not yet in a block.
	Records, Events uint64
	// Blocks and Bytes are those handed to the underlying writer.
	Blocks, Bytes uint64
}

// Writer writes a trace. It hands every block to the underlying writer in one
// Write, so a crash loses at most what was not flushed. It is not safe for
// concurrent use. After an error of the underlying writer all calls return it.
type Writer struct {
	w      io.Writer
	frames *frameWriter
	codec  codec
	block  *builder
	events []placedEvent
	body   []byte
	limit  int
	last   pkt.Time
	stats  WriterStats
	err    error
}

var errClosed = errors.New("write to a closed trace")

// NewWriter starts a trace on w by writing its header; h.Version is set by it.
func NewWriter(w io.Writer, h Header, opts WriterOptions) (*Writer, error) {
	if opts.BlockRecords == 0 {
		opts.BlockRecords = DefaultBlockRecords
	}
	if opts.BlockRecords < 1 || opts.BlockRecords > MaxBlockRecords {
		return nil, fmt.Errorf("block of %d records: want 1 to %d", opts.BlockRecords, MaxBlockRecords)
	}
	h.Version = fmt.Sprintf("%d.%d", Major, Minor)
	text, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("write the trace's header: %w", err)
	}
	frames, err := newFrameWriter()
	if err != nil {
		return nil, err
	}
	tw := &Writer{w: w, frames: frames, block: newBuilder(), limit: opts.BlockRecords, last: -MaxTime}
	tw.write(marker{typ: headerBlock}, text, nil)
	return tw, tw.err
}

// Append adds a copy of r. Records come in the order of their times.
func (w *Writer) Append(r *Record) error {
	if w.err != nil {
		return w.err
	}
	if r.Time < w.last {
		return fmt.Errorf("append record %d: time %s is before its predecessor's %s", w.stats.Records, r.Time, w.last)
	}
	if err := w.block.add(r); err != nil {
		return fmt.Errorf("append record %d: %w", w.stats.Records, err)
	}
	w.last = r.Time
	w.stats.Records++
	if w.block.Records() >= w.limit {
		return w.Flush()
	}
	return nil
}

// Event adds e after the records appended so far.
func (w *Writer) Event(e Event) error {
	if w.err != nil {
		return w.err
	}
	if outOfRange(e.Time) {
		return fmt.Errorf("append event %d: time %s is out of range", w.stats.Events, e.Time)
	}
	e.Text = cutText(e.Text, MaxEventText)
	w.events = append(w.events, placedEvent{e, w.stats.Records})
	w.stats.Events++
	if len(w.events) >= blockEvents {
		return w.Flush()
	}
	return nil
}

// Flush writes what is pending as blocks of their own. A recorder calls it at
// least once a second, to bound what a crash can lose.
func (w *Writer) Flush() error {
	// Events first: a reader then has them at hand when it reaches their place
	// among the records.
	if n := len(w.events); n > 0 && w.err == nil {
		w.body = appendEvents(w.body[:0], w.events)
		m := marker{typ: eventsBlock, count: uint32(n), first: w.stats.Events - uint64(n)}
		m.t0, m.t1 = eventSpan(w.events)
		w.write(m, w.body, nil)
		clear(w.events)
		w.events = w.events[:0]
	}
	if n := w.block.Records(); n > 0 && w.err == nil {
		w.body = w.codec.appendBody(w.body[:0], &w.block.Block)
		w.write(marker{
			typ: packetsBlock, count: uint32(n), first: w.block.First,
			t0: w.block.Time[0], t1: w.block.Time[n-1],
		}, w.body, w.codec.cuts)
		w.block.reset(w.stats.Records)
	}
	return w.err
}

func eventSpan(events []placedEvent) (t0, t1 pkt.Time) {
	t0, t1 = events[0].Time, events[0].Time
	for _, e := range events {
		t0, t1 = min(t0, e.Time), max(t1, e.Time)
	}
	return t0, t1
}

// write writes a block; frameWriter.encode explains cuts.
func (w *Writer) write(m marker, block []byte, cuts []int) {
	if len(block) > MaxBlockBytes {
		w.err = fmt.Errorf("write a block of %d bytes: the limit is %d", len(block), MaxBlockBytes)
		return
	}
	pair, err := w.frames.encode(m, block, cuts)
	if err != nil {
		w.err = err
		return
	}
	n, err := w.w.Write(pair)
	w.stats.Bytes += uint64(n)
	w.stats.Blocks++
	if err != nil {
		w.err = fmt.Errorf("write the trace: %w", err)
	}
}

// Close flushes and writes the end record, in which it sets the counts. It does
// not close the underlying writer.
func (w *Writer) Close(e End) error {
	if err := w.Flush(); err != nil {
		return err
	}
	e.Records, e.Events = w.stats.Records, w.stats.Events
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write the trace's end: %w", err)
	}
	w.write(marker{typ: endBlock, first: e.Records}, text, nil)
	if w.err != nil {
		return w.err
	}
	w.err = errClosed
	return nil
}

// Stats returns what was written so far.
func (w *Writer) Stats() WriterStats { return w.stats }
