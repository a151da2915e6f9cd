package traces

import (
	"errors"
	"fmt"
	"io"

	"github.com/uqtool/uq/sim/pkt"
)

// MaxMerged is how many traces can be merged at once: each has a block in memory.
const MaxMerged = 64

// maxHeldEvents is how many events of a trace wait for the record behind them. Of
// more, which no recorder writes, those before come as early as they are read.
const maxHeldEvents = 4096

// Merged is one of the traces to be merged.
type Merged struct {
	// Name is for people.
	Name   string
	Stream Stream
	// Offset is by how much this trace begins after the merged one; not negative.
	Offset pkt.Time
}

// Merge gives several traces as one, by arrival: records keep their order within
// a trace, and those of the same time come in the order of the traces. It reads
// as much ahead as one record of each, so memory does not grow. It is a Stream.
//
// Nobody decided about the packets of a merged trace as they come there: verdicts,
// their times and reasons, and the remarks on what a link did, are left out, also
// of a single trace. Events and losses are all kept.
//
// A damaged trace is merged as far as it goes, and the others to their ends; then
// Next returns an error that holds each one's *Damage.
type Merge struct {
	inputs  []mergeInput
	header  Header
	notes   []string
	onEvent func(Event)
	started bool
	end     End
	ended   bool
	damage  error
	err     error // sticky
}

// mergeInput is a trace with its next record.
type mergeInput struct {
	Merged
	rec    Record
	ready  bool     // rec is to be given
	at     pkt.Time // when rec, or events behind the last record, are due
	events []Event  // before rec
	// devices are the new indexes of those devices that have another.
	devices map[uint32]uint32
}

var _ Stream = (*Merge)(nil)

// NewMerge merges traces, of which nothing was read yet; tool is for the header.
func NewMerge(tool string, traces []Merged) (*Merge, error) {
	if len(traces) == 0 || len(traces) > MaxMerged {
		return nil, fmt.Errorf("merge %d traces: want 1 to %d: merge the result of some with others", len(traces), MaxMerged)
	}
	m := &Merge{inputs: make([]mergeInput, len(traces))}
	for i, t := range traces {
		if t.Offset < 0 || t.Offset >= MaxTime {
			return nil, fmt.Errorf("merge %s: offset %s is out of range", t.Name, t.Offset)
		}
		in := &m.inputs[i]
		in.Merged = t
		t.Stream.OnEvent(func(e Event) { m.hold(in, e) })
	}
	m.header, m.notes = mergeHeaders(tool, m.inputs)
	return m, nil
}

// Header describes the merged trace, and says what was merged.
func (m *Merge) Header() Header { return m.header }

// Notes are what the traces disagree about, and what became of that; for people.
func (m *Merge) Notes() []string { return m.notes }

// OnEvent makes the merge call f for the events of all traces.
func (m *Merge) OnEvent(f func(Event)) { m.onEvent = f }

// End returns the end record; ok is false until Next returned io.EOF.
func (m *Merge) End() (e End, ok bool) { return m.end, m.ended }

// Next copies the next record to r. It returns io.EOF at the end of traces that
// are all whole.
func (m *Merge) Next(r *Record) error {
	for i := 0; !m.started && m.err == nil && i < len(m.inputs); i++ {
		m.err = m.advance(&m.inputs[i])
	}
	m.started = true
	for m.err == nil {
		in := m.first()
		if in == nil {
			m.err = m.finish()
			break
		}
		m.release(in)
		if in.ready {
			*r = in.rec
			m.err = m.advance(in)
			return nil
		}
	}
	return m.err
}

// first is the trace whose turn it is, nil if there is none.
func (m *Merge) first() (first *mergeInput) {
	for i := range m.inputs {
		in := &m.inputs[i]
		if (in.ready || len(in.events) > 0) && (first == nil || in.at < first.at) {
			first = in
		}
	}
	return first
}

// advance reads a trace's next record.
func (m *Merge) advance(in *mergeInput) error {
	err := in.Stream.Next(&in.rec)
	if in.ready = err == nil; in.ready {
		return in.place()
	}
	return m.over(in, err)
}

// over notes why a trace has no more records.
func (m *Merge) over(in *mergeInput, err error) error {
	var damage *Damage
	switch {
	case errors.As(err, &damage):
		if err = fmt.Errorf("%s: %w", in.Name, err); m.damage != nil {
			err = fmt.Errorf("%w; %w", m.damage, err)
		}
		m.damage = err
	case err != io.EOF:
		return fmt.Errorf("%s: %w", in.Name, err)
	}
	for _, e := range in.events {
		in.at = max(in.at, e.Time)
	}
	return nil
}

// place makes the record one of the merged trace.
func (in *mergeInput) place() error {
	r := &in.rec
	if r.Time += in.Offset; r.Time >= MaxTime {
		return fmt.Errorf("%s: a packet arrives later than a trace can be long: begin it earlier", in.Name)
	}
	if r.KernelTime != NoTime {
		r.KernelTime = min(r.KernelTime+in.Offset, MaxTime-1)
	}
	in.at = r.Time
	r.Verdict, r.Reason = NoVerdict, pkt.NoReason
	r.VerdictTime, r.Dequeued, r.Due = NoTime, NoTime, NoTime
	r.Info &^= Gone | Copied | Corrupted
	if len(in.devices) > 0 {
		for _, dev := range []*uint32{&r.Path.InDev, &r.Path.OutDev} {
			if other, ok := in.devices[*dev]; ok {
				*dev = other
			}
		}
	}
	return nil
}

// hold keeps an event until the record behind it is due.
func (m *Merge) hold(in *mergeInput, e Event) {
	e.Time = min(e.Time+in.Offset, MaxTime-1)
	if len(in.events) == maxHeldEvents {
		m.release(in)
	}
	in.events = append(in.events, e)
}

// release hands over the events that were kept.
func (m *Merge) release(in *mergeInput) {
	for _, e := range in.events {
		if m.onEvent != nil {
			m.onEvent(e)
		}
	}
	in.events = in.events[:0]
}

// finish closes the account of all traces.
func (m *Merge) finish() error {
	if m.damage != nil {
		return m.damage
	}
	m.end = End{Clean: true}
	var whys []string
	for i := range m.inputs {
		in := &m.inputs[i]
		e, _ := in.Stream.End()
		m.end.DurationNs = max(m.end.DurationNs, e.DurationNs+int64(in.Offset))
		m.end.Clean = m.end.Clean && e.Clean
		for kind, n := range e.Lost {
			if m.end.Lost == nil {
				m.end.Lost = map[string]uint64{}
			}
			m.end.Lost[kind] += n
		}
		if e.Why != "" {
			whys = append(whys, in.Name+": "+e.Why)
		}
	}
	m.end.Why = joined(whys)
	m.ended = true
	return io.EOF
}
