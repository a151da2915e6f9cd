package traces

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/uqtool/uq/sim/pkt"
)

// Reader reads a trace from a stream, front to back, in bounded memory. It is
// not safe for concurrent use.
type Reader struct {
	in      window
	frames  *frameReader
	codec   codec
	header  Header
	trace   uint64
	onEvent func(Event)
	salvage bool // go on after damage: see Salvage
	from    pkt.Time

	next    uint64 // number of the next record
	nextEv  uint64 // number of the next event
	given   uint64 // records delivered
	last    pkt.Time
	pending []placedEvent
	block   Block
	at      int // of the next record in block, for Next

	end    End
	ended  bool
	damage *Damage
	err    error // sticky result once the stream is over
}

// NewReader reads the trace's header from r. It fails if r does not start with
// one, with a *Damage if there is one that is cut or damaged.
func NewReader(r io.Reader) (*Reader, error) {
	tr, err := newReader(r)
	if err == nil {
		err = tr.readHeader()
	}
	if err != nil {
		return nil, err
	}
	return tr, nil
}

func newReader(r io.Reader) (*Reader, error) {
	frames, err := newFrameReader()
	return &Reader{in: window{r: r}, frames: frames, last: -MaxTime, from: -MaxTime}, err
}

// Header describes the trace.
func (r *Reader) Header() Header { return r.header }

// OnEvent makes the reader call f for every event, between the records where it
// was written. Without it events are passed over. With NextBlock the events
// among a block's records come before the block.
func (r *Reader) OnEvent(f func(Event)) { r.onEvent = f }

// SkipTo makes the reader pass over blocks that end before t without decoding
// them. Records of the first block delivered may still be earlier than t.
func (r *Reader) SkipTo(t pkt.Time) { r.from = t }

// Offset is how many bytes of the stream were read as whole blocks.
func (r *Reader) Offset() int64 { return r.in.off }

// End returns the end record; ok is false until it was read.
func (r *Reader) End() (e End, ok bool) { return r.end, r.ended }

// Next copies the next record to rec. It returns io.EOF at the end of a whole
// trace and a *Damage when there is no more to recover of another.
func (r *Reader) Next(rec *Record) error {
	for r.at >= r.block.Records() {
		r.at = 0
		if err := r.read(&r.block); err != nil {
			r.block.resize(0)
			return err
		}
	}
	if len(r.pending) > 0 {
		r.deliver(r.block.First + uint64(r.at))
	}
	r.block.Record(r.at, rec)
	r.at++
	return nil
}

// NextBlock reads the next block of records into b, whose memory it reuses; its
// result is that of Next. Do not mix it with Next.
func (r *Reader) NextBlock(b *Block) error {
	err := r.read(b)
	r.deliver(1 << 63)
	return err
}

// read reads up to and including the next packets block.
func (r *Reader) read(b *Block) error {
	for r.err == nil {
		at, record := r.in.off, r.next
		m, err := r.step(b)
		if err == nil && r.ended {
			r.finish()
		} else if err == nil && m.typ == packetsBlock && b.Records() > 0 {
			return nil
		} else if err != nil {
			r.damaged(at, record, err)
		}
	}
	b.resize(0)
	return r.err
}

// step reads one block. It consumes it only if that succeeds; b is empty
// unless records were read.
func (r *Reader) step(b *Block) (marker, error) {
	b.resize(0)
	m, err := r.peekMarker()
	if err != nil {
		return m, err
	}
	pair := r.in.peek(markerSize + int(m.comp))
	if len(pair) < markerSize+int(m.comp) {
		return m, r.in.cut()
	}
	if err := r.sequence(&m); err != nil {
		return m, err
	}
	if m.typ != packetsBlock || m.t1 >= r.from {
		raw, err := r.frames.decode(&m, pair[markerSize:])
		if err != nil {
			return m, err
		}
		if err := r.content(&m, raw, b); err != nil {
			b.resize(0)
			return m, err
		}
	}
	r.in.skip(len(pair))
	r.advance(&m, b)
	return m, nil
}

func (r *Reader) peekMarker() (marker, error) {
	head := r.in.peek(markerSize)
	if len(head) < markerSize {
		return marker{}, r.in.cut()
	}
	return r.marker(head)
}

// marker parses a marker and checks that it is of this trace.
func (r *Reader) marker(head []byte) (marker, error) {
	m, err := parseMarker(head)
	if err != nil {
		return m, err
	}
	if m.typ == headerBlock && r.trace != 0 {
		return m, ErrAnotherTrace
	}
	if m.trace != r.trace && r.trace != 0 {
		return m, errors.New("block belongs to another trace")
	}
	return m, nil
}

// sequence checks that the block follows what was read so far.
func (r *Reader) sequence(m *marker) error {
	if m.typ > endBlock {
		return nil // not counted
	}
	want := r.next
	if m.typ == eventsBlock {
		want = r.nextEv
	}
	if m.first < want || m.first > want && r.damage == nil {
		gap := fmt.Errorf("block starts at number %d instead of %d: a block is missing or doubled", m.first, want)
		if m.first < want || !r.salvage {
			return gap
		}
		r.damage = &Damage{Offset: r.in.off, Record: r.next, Places: 1, Err: gap}
	}
	if m.typ == packetsBlock && m.t0 < r.last {
		return fmt.Errorf("block starts at time %s, before its predecessor's end %s", m.t0, r.last)
	}
	return nil
}

// content decodes the block into b, r.pending or r.end.
func (r *Reader) content(m *marker, raw []byte, b *Block) error {
	switch m.typ {
	case packetsBlock:
		if err := r.codec.decodeBody(raw, m, b); err != nil {
			return err
		}
		if n := b.Records(); b.Time[0] != m.t0 || b.Time[n-1] != m.t1 {
			return errors.New("block's times differ from its marker's")
		}
		return nil
	case eventsBlock:
		r.deliver(1 << 63)
		events, err := decodeEvents(raw, m.count, r.pending[:0])
		if err == nil {
			r.pending = events
		}
		return err
	case endBlock:
		if err := json.Unmarshal(raw, &r.end); err != nil {
			return fmt.Errorf("read the end record: %w", err)
		}
		if r.damage == nil && (r.end.Records != r.next || r.end.Events != r.nextEv) {
			return fmt.Errorf("end record counts %d records and %d events, the trace has %d and %d",
				r.end.Records, r.end.Events, r.next, r.nextEv)
		}
		r.ended = true
		return nil
	}
	if m.minor > Minor {
		return nil // a kind of block that a newer minor version added
	}
	return fmt.Errorf("block type %d is unknown", m.typ)
}

// advance accounts for a block that was read or skipped.
func (r *Reader) advance(m *marker, b *Block) {
	switch m.typ {
	case packetsBlock, endBlock:
		if r.damage != nil {
			r.damage.Lost += m.first - r.next
		}
		if m.typ == packetsBlock {
			r.next, r.last = m.first+uint64(m.count), m.t1
			r.given += uint64(b.Records())
		}
	case eventsBlock:
		r.nextEv = m.first + uint64(m.count)
		// Those written between blocks of records are due now.
		r.deliver(r.next)
	}
}

// deliver hands over the pending events that come before record number n or at
// it.
func (r *Reader) deliver(n uint64) {
	done := 0
	for done < len(r.pending) && r.pending[done].before <= n {
		if r.onEvent != nil {
			r.onEvent(r.pending[done].Event)
		}
		done++
	}
	r.pending = append(r.pending[:0], r.pending[done:]...)
}

// damaged notes a damaged place and moves on to the next marker, or ends.
func (r *Reader) damaged(at int64, record uint64, err error) {
	if r.damage == nil {
		r.damage = &Damage{Offset: at, Record: record, Err: err}
	}
	r.damage.Places++
	more := r.salvage && r.damage.Places < maxPlaces
	if more && len(r.in.peek(1)) == 1 {
		r.in.skip(1)
	}
	if more && r.in.toMarker() {
		return
	}
	if e := r.in.err; e != nil && e != io.EOF && !errors.Is(r.damage.Err, e) {
		r.damage.Err = fmt.Errorf("%w; then read the trace: %w", r.damage.Err, e)
	}
	r.stop(r.damage)
}

// finish looks at what follows the end record.
func (r *Reader) finish() {
	rest := r.in.peek(markerSize)
	switch {
	case r.damage != nil:
		r.stop(r.damage)
	case len(rest) == 0 && r.in.err == io.EOF:
		r.stop(io.EOF)
	case len(rest) == 0:
		r.stop(fmt.Errorf("read the trace: %w", r.in.err))
	default:
		err := ErrTrailing
		if m, e := parseMarker(append(rest[:len(rest):len(rest)], make([]byte, markerSize-len(rest))...)); e == nil && m.typ == headerBlock {
			err = fmt.Errorf("%w: %w", ErrTrailing, ErrAnotherTrace)
		}
		r.damage = &Damage{Offset: r.in.off, Record: r.next, Places: 1, Err: err}
		r.stop(r.damage)
	}
}

// stop ends the reading with err.
func (r *Reader) stop(err error) {
	r.deliver(1 << 63)
	if r.damage != nil {
		r.damage.Recovered = r.given
	}
	r.err = err
}

// readHeader reads the header block.
func (r *Reader) readHeader() error {
	m, err := r.peekMarker()
	switch {
	case errors.Is(err, ErrVersion):
		return err
	case errors.Is(err, errNotMarker), errors.Is(err, ErrTruncated):
		return r.notTrace(err)
	case err == nil && m.typ != headerBlock:
		return errors.New("read the trace: it does not begin with a header: its beginning is missing")
	}
	var text []byte
	if err == nil {
		pair := r.in.peek(markerSize + int(m.comp))
		if len(pair) < markerSize+int(m.comp) {
			err = r.in.cut()
		} else if text, err = r.frames.decode(&m, pair[markerSize:]); err == nil {
			err = json.Unmarshal(text, &r.header)
			r.in.skip(len(pair))
		}
	}
	switch {
	case err != nil && r.in.err != nil && r.in.err != io.EOF:
		return fmt.Errorf("read the trace: %w", r.in.err)
	case err != nil:
		return &Damage{Places: 1, Err: fmt.Errorf("read the header: %w", err)}
	}
	r.trace = m.trace
	return nil
}

// notTrace explains what the input may be instead of a trace.
func (r *Reader) notTrace(err error) error {
	if r.in.err != nil && r.in.err != io.EOF {
		return fmt.Errorf("read the trace: %w", r.in.err)
	}
	head := r.in.peek(len(textVersionLine))
	what := "its first bytes are no block marker"
	switch {
	case len(head) == 0:
		what = "it is empty"
	case string(head) == textVersionLine:
		what = "it is a trace's text: use uq trace pack"
	case len(head) >= 4 && (string(head[:4]) == "\xd4\xc3\xb2\xa1" || string(head[:4]) == "\x0a\x0d\x0d\x0a"):
		what = "it is a pcap file: use uq trace import"
	case len(head) >= 4 && string(head[:4]) == "\x28\xb5\x2f\xfd":
		what = "it is compressed by zstd but not written by uq"
	case bytes.HasPrefix(markerPrefix, head) || bytes.HasPrefix(head, markerPrefix):
		return &Damage{Places: 1, Err: err}
	}
	return fmt.Errorf("read the trace: %w: %s", ErrNotTrace, what)
}
