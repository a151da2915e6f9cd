package inject

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// Fate is what became of one packet of the replay. Times are CLOCK_MONOTONIC in
// ns.
type Fate struct {
	// N is the packet's number in the Feed; Due and At are when it was to be
	// sent and when the kernel had taken it, 0 if it was not sent.
	N       uint64
	Due, At int64
	Why     Why    // if it cannot be sent
	Errno   uint16 // if the kernel refused it
	// Arrived says that the router met it, as number Arrival, and Recorded that
	// Record is what it did then.
	Arrived, Recorded bool
	Arrival           uint64
	ArrivedAt         int64
	Record            traces.Record
	// Received is when the sink met it, or 0, and DS its DS field then.
	Received int64
	DS       uint8
	sums     sums // then

	tag     tag
	len     uint32
	waiting bool // may still be received
}

// Sent says that the kernel took the packet.
func (f *Fate) Sent() bool { return f.At != 0 }

// accepted says that the scheduler let the packet go, or the end did.
func (f *Fate) accepted() bool {
	return f.Recorded && f.Record.Info&traces.Gone == 0 && (f.Record.Verdict == traces.Accept || f.Record.Verdict == traces.MarkCE)
}

// Stray counts what the logs hold beside the replay's packets.
type Stray struct {
	// Arrivals came through the queue but were not sent by the source.
	Arrivals uint64 `json:"arrivals"`
	// Received reached the sink but had not been let go by the scheduler: they
	// passed when nobody scheduled, at the very end.
	Received uint64 `json:"received"`
	// Unrecorded arrivals are missing in the outcome: its disk was too slow.
	Unrecorded uint64 `json:"unrecorded"`
}

// Tolerances of the join.
const (
	// stampSlack is how much a stamp of the sink may seem too early: its clock
	// is converted.
	stampSlack = int64(time.Millisecond)
	// transit is how long a released packet may be on its way.
	transit = int64(time.Second)
)

// joiner follows packets through the logs. What was sent and what arrived is in
// the Feed's order, what was received in order of time.
type joiner struct {
	sent, arrivals, received *logReader
	outcome                  *traces.Reader
	anchor                   int64 // CLOCK_MONOTONIC at the outcome's time zero
	give                     func(*Fate) error
	stray                    Stray

	read     uint64  // packets of the sent log
	unsure   []*Fate // sent, but not matched with an arrival yet
	fates    []*Fate // to be given, in order
	arrived  uint64
	record   traces.Record
	recorded bool // record is still to be used
	over     bool // the outcome has no more records

	// waiting are packets that may still be received, oldest first.
	waiting map[tag][]*Fate
	copies  copies
	rx      receivedEntry
	moreRx  bool
}

// logs are what the processes noted.
type logs struct{ sent, arrivals, received, copies io.Reader }

// rest is what the logs hold beside the fates of packets.
type rest struct {
	stray  Stray
	copies Rewritten
}

// join gives the fate of every packet of the sent log, in order. A Fate is
// give's to keep.
func join(l logs, outcome *traces.Reader, give func(*Fate) error) (rest, error) {
	j := &joiner{
		sent: newLogReader(l.sent), arrivals: newLogReader(l.arrivals), received: newLogReader(l.received), outcome: outcome,
		waiting: map[tag][]*Fate{}, copies: copies{log: newLogReader(l.copies), waiting: map[tag][]copyEntry{}}, give: give,
	}
	if a := outcome.Header().Anchor; a != nil {
		j.anchor = a.MonotonicNs
	}
	if err := j.run(); err != nil {
		return rest{stray: j.stray}, err
	}
	met, err := j.copies.end()
	return rest{j.stray, met}, err
}

func (j *joiner) run() error {
	if err := errors.Join(j.nextReceived(), j.copies.read()); err != nil {
		return err
	}
	for {
		var a arrivalEntry
		more, err := j.arrivals.next(a.get)
		if err != nil {
			return err
		}
		if !more {
			return j.finish()
		}
		if err := j.receive(a.at - stampSlack); err != nil {
			return err
		}
		if err := j.arrive(&a); err != nil {
			return err
		}
	}
}

// arrive matches an arrival with the next packet sent that has its number. The
// packets before that one were lost on the way.
func (j *joiner) arrive(a *arrivalEntry) error {
	f, err := j.match(a)
	if err != nil {
		return err
	}
	rec, err := j.recordOf(a)
	if err != nil {
		return err
	}
	id := j.arrived
	j.arrived++
	if f == nil {
		j.stray.Arrivals++
		return nil
	}
	f.Arrived, f.Arrival, f.ArrivedAt = true, id, a.at
	if rec == nil {
		j.stray.Unrecorded++
		return nil
	}
	f.Recorded, f.Record = true, *rec
	if f.accepted() {
		f.waiting = true
		j.waiting[f.tag] = append(j.waiting[f.tag], f)
	}
	return nil
}

// match finds the packet of an arrival: it was due before.
func (j *joiner) match(a *arrivalEntry) (*Fate, error) {
	for i := 0; ; i++ {
		if i == len(j.unsure) {
			f, err := j.nextSent()
			if err != nil || f == nil {
				return nil, err
			}
			if !f.Sent() {
				i--
				continue
			}
		}
		f := j.unsure[i]
		if f.Due > a.at {
			return nil, nil
		}
		if f.tag == a.tag && f.len == a.len {
			j.unsure = j.unsure[:copy(j.unsure, j.unsure[i+1:])]
			return f, nil
		}
	}
}

// nextSent reads the next packet of the sent log; nil at its end.
func (j *joiner) nextSent() (*Fate, error) {
	var e sentEntry
	ok, err := j.sent.next(e.get)
	if err != nil || !ok {
		return nil, err
	}
	f := &Fate{N: j.read, Due: e.due, At: e.at, Why: e.why, Errno: e.errno, tag: tagOf(j.read, e.v6), len: e.len}
	j.read++
	j.fates = append(j.fates, f)
	if f.Sent() {
		j.unsure = append(j.unsure, f)
	}
	return f, nil
}

// recordOf is the outcome's record of an arrival; nil if it has none.
func (j *joiner) recordOf(a *arrivalEntry) (*traces.Record, error) {
	if j.over {
		return nil, nil
	}
	if !j.recorded {
		err := j.outcome.Next(&j.record)
		damage := (*traces.Damage)(nil)
		if errors.Is(err, io.EOF) || errors.As(err, &damage) {
			j.over = true // all the rest has no record
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the outcome: %w", err)
		}
		j.recorded = true
	}
	if int64(j.record.Time)+j.anchor != a.at || j.record.Len != a.len {
		return nil, nil
	}
	j.recorded = false
	return &j.record, nil
}

func (j *joiner) nextReceived() (err error) {
	j.moreRx, err = j.received.next(j.rx.get)
	return err
}

// receive takes in what the sink met until the time limit, and gives the fates
// that are settled.
func (j *joiner) receive(limit int64) error {
	for j.moreRx && j.rx.at < limit {
		if err := j.copies.until(j.rx.at + stampSlack); err != nil {
			return err
		}
		j.deliver()
		if err := j.nextReceived(); err != nil {
			return err
		}
	}
	return j.settle(limit)
}

// deliver finds the packet that the sink met: the youngest with its number that
// had been let go by then, or a copy. Older ones with that number, a whole round
// of numbers before, never came.
func (j *joiner) deliver() {
	list := j.waiting[j.rx.tag]
	i, c := j.youngest(list), j.copies.find(&j.rx)
	switch {
	case i < 0 && c < 0:
		j.stray.Received++
		return
	case i < 0 || c >= 0 && !agrees(list[i].corrupted(), j.rx.sums):
		j.copies.deliver(c, &j.rx)
		return
	}
	f := list[i]
	f.Received, f.DS, f.sums = j.rx.at, j.rx.ds, j.rx.sums
	for _, old := range list[:i+1] {
		old.waiting = false
	}
	j.keep(j.rx.tag, list[i+1:])
}

// youngest is the index of the youngest packet that may be what was received; -1
// for none.
func (j *joiner) youngest(list []*Fate) int {
	for i := len(list) - 1; i >= 0; i-- {
		if f := list[i]; f.waiting && f.released() <= j.rx.at-j.anchor+stampSlack && f.len == j.rx.len {
			return i
		}
	}
	return -1
}

// released is the earliest that the packet can have left, on the outcome's time
// line.
func (f *Fate) released() int64 {
	if f.Record.Due == traces.NoTime {
		return int64(f.Record.Time)
	}
	return int64(f.Record.Due)
}

func (j *joiner) keep(t tag, list []*Fate) {
	if len(list) == 0 {
		delete(j.waiting, t)
		return
	}
	j.waiting[t] = list
}

// settle gives the oldest fates, as far as nothing can change them any more
// after everything until now has been taken in.
func (j *joiner) settle(now int64) error {
	n := 0
	for _, f := range j.fates {
		if f.waiting && now != int64(pkt.Never) && int64(f.Record.VerdictTime)+j.anchor+transit > now {
			break
		}
		if !f.waiting && !f.Arrived && f.Sent() && len(j.unsure) > 0 && f.N >= j.unsure[0].N {
			break
		}
		f.waiting = false
		if err := j.give(f); err != nil {
			return err
		}
		n++
	}
	j.fates = j.fates[n:]
	return nil
}

// finish takes in the rest of all logs.
func (j *joiner) finish() error {
	for {
		f, err := j.nextSent()
		if err != nil {
			return err
		}
		if f == nil {
			break
		}
	}
	j.unsure = nil
	return j.receive(int64(pkt.Never))
}
