package inject

import (
	"encoding/binary"

	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/traces"
)

// copyEntry is what the router tells of one copy it sent, in order of time.
type copyEntry struct {
	at      int64 // CLOCK_MONOTONIC, ns, just before
	tag     tag
	len     uint32
	damaged bool
}

func (e *copyEntry) put(b []byte) {
	(&arrivalEntry{at: e.at, tag: e.tag, len: e.len}).put(b)
	if e.damaged {
		b[16] = 1
	}
}

func (e *copyEntry) get(b []byte) {
	e.at, e.tag = int64(binary.LittleEndian.Uint64(b)), tag(binary.LittleEndian.Uint32(b[8:]))
	e.len, e.damaged = binary.LittleEndian.Uint32(b[12:]), b[16] != 0
}

// Rewritten is where the copies went that the link made, and how the packets
// arrived that it corrupted.
//
//	Made = Sent + Lost + Refused + Unfinished
//	Sent = Met + Gone
type Rewritten struct {
	replay.Rewrites
	// Met copies were received and Gone ones not: Released of them were not sent by
	// the router's device, and Missed ones did not fit the sink's ring.
	Met      uint64 `json:"copies_met"`
	Gone     uint64 `json:"copies_gone"`
	Released uint64 `json:"copies_gone_after_release"`
	Missed   uint64 `json:"copies_missed"`
	// Damaged packets were met with a wrong checksum, as the link had it, and
	// Unchecked ones without one that tells. Intact ones were met unharmed
	// although they were to be corrupted.
	Damaged   uint64 `json:"corrupted_met_damaged"`
	Unchecked uint64 `json:"corrupted_met_unchecked"`
	Intact    uint64 `json:"corrupted_met_intact"`
	// Harmed packets were met with a wrong checksum that the link did not corrupt.
	Harmed uint64 `json:"others_met_damaged"`
}

// meet counts how a packet arrived that was to be corrupted, or not.
func (r *Rewritten) meet(corrupted bool, s sums) {
	switch {
	case !corrupted && s == damaged:
		r.Harmed++
	case !corrupted:
	case s == damaged:
		r.Damaged++
	case s == intact:
		r.Intact++
	default:
		r.Unchecked++
	}
}

// copies follows those that were sent until the sink meets them.
type copies struct {
	log     *logReader
	next    copyEntry
	more    bool
	waiting map[tag][]copyEntry
	sent    uint64
	met     Rewritten // what there is to say of those that were met
}

func (c *copies) read() (err error) {
	c.more, err = c.log.next(c.next.get)
	return err
}

// until takes in what was sent up to the time t.
func (c *copies) until(t int64) error {
	for c.more && c.next.at <= t {
		c.waiting[c.next.tag] = append(c.waiting[c.next.tag], c.next)
		c.sent++
		if err := c.read(); err != nil {
			return err
		}
	}
	return nil
}

// find is the index of a copy that may be what was received, -1 for none: rather
// one that is damaged if that is. Those sent long ago will not come any more.
func (c *copies) find(rx *receivedEntry) int {
	list := c.waiting[rx.tag]
	for len(list) > 0 && list[0].at < rx.at-transit {
		list = list[1:]
	}
	if len(list) == 0 {
		delete(c.waiting, rx.tag)
		return -1
	}
	c.waiting[rx.tag] = list
	found := -1
	for i := range list {
		if list[i].len == rx.len && (found < 0 || agrees(list[i].damaged, rx.sums)) {
			found = i
		}
	}
	return found
}

// agrees says whether a packet that is damaged or not can have such sums.
func agrees(isDamaged bool, s sums) bool { return s == unchecked || isDamaged == (s == damaged) }

// deliver counts the i-th copy of rx's tag as met.
func (c *copies) deliver(i int, rx *receivedEntry) {
	list := c.waiting[rx.tag]
	c.met.Met++
	c.met.meet(list[i].damaged, rx.sums)
	c.waiting[rx.tag] = append(list[:i], list[i+1:]...)
}

// end takes in the rest.
func (c *copies) end() (Rewritten, error) {
	for c.more {
		c.sent++
		if err := c.read(); err != nil {
			return c.met, err
		}
	}
	c.met.Gone = c.sent - c.met.Met
	return c.met, nil
}

// corrupted says that the link changed a bit of the packet, as far as the trace
// knows.
func (f *Fate) corrupted() bool { return f.Record.Info&traces.Corrupted != 0 }
