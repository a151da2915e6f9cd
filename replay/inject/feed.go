package inject

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// Selection says which packets of a trace to send, how often and how fast. The
// zero value is the whole trace, once, as recorded.
type Selection struct {
	// From and To bound the recorded times, From <= t < To; 0 for To is no
	// bound.
	From pkt.Time `json:"from_ns,omitempty"`
	To   pkt.Time `json:"to_ns,omitempty"`
	// Limit is how many packets to take from the trace, split ones counted
	// apart; 0 is no bound.
	Limit uint64 `json:"limit,omitempty"`
	// Loops is how often to send them; 0 is once. The next pass begins one mean
	// gap after the last packet.
	Loops int   `json:"loops,omitempty"`
	Speed Speed `json:"speed_ppm,omitempty"`
	// Split sends the segments of a super-packet instead of the whole.
	Split bool `json:"split,omitempty"`
}

// MaxLoops bounds Selection.Loops.
const MaxLoops = 1_000_000

// lonelyGap is from one pass to the next where a single packet or a single
// instant has no mean gap.
const lonelyGap = time.Millisecond

// Feed gives the packets of a Selection with the times they are due. Both what
// is sent and what is simulated come from a Feed, so that they are the same.
type Feed struct {
	open func() (*traces.Reader, error)
	sel  Selection
	r    *traces.Reader
	head traces.Header
	mtu  uint32 // that GSO segments were cut to, 0 if unknown

	pass  int
	shift pkt.Time // of this pass, in recorded time
	taken uint64   // packets in this pass
	first pkt.Time
	last  pkt.Time
	begun uint64 // records read in this pass

	seg segments
	err error
}

// NewFeed opens the trace with open, which is called again for every pass and
// must then give the same trace from its front.
func NewFeed(open func() (*traces.Reader, error), sel Selection) (*Feed, error) {
	f := &Feed{open: open, sel: sel}
	if f.sel.To == 0 {
		f.sel.To = pkt.Never
	}
	if err := f.start(); err != nil {
		return nil, err
	}
	f.head = f.r.Header()
	f.mtu = uint32(segmentMTU(f.head))
	return f, nil
}

// segmentMTU is what the recording estimated segments with; 0 if unknown.
func segmentMTU(h traces.Header) int {
	if c := h.Capture; c != nil && c.SegmentMTU > 0 && c.SegmentMTU <= 65535 {
		return c.SegmentMTU
	}
	return 0
}

// Header is the trace's.
func (f *Feed) Header() traces.Header { return f.head }

func (f *Feed) start() error {
	r, err := f.open()
	if err != nil {
		return err
	}
	if f.sel.From > 0 {
		r.SkipTo(f.sel.From)
	}
	f.r, f.taken, f.begun = r, 0, 0
	return nil
}

// Next fills rec with the next packet; its Time is when it is due, on the
// trace's time line at the chosen speed. ok is false at the end, with the
// *traces.Damage of a trace that could not be read to its end.
func (f *Feed) Next(rec *traces.Record) (ok bool, err error) {
	for f.err == nil {
		if f.sel.Limit > 0 && f.taken >= f.sel.Limit {
			f.endPass(nil)
			continue
		}
		if f.seg.left > 0 {
			f.seg.next(rec)
		} else if !f.read(rec) {
			continue
		}
		f.taken++
		rec.Time = f.sel.Speed.scale(rec.Time + f.shift)
		return true, nil
	}
	if f.err == io.EOF {
		return false, nil
	}
	return false, f.err
}

// read takes the next record of the selection, its first segment if it is to be
// split.
func (f *Feed) read(rec *traces.Record) bool {
	err := f.r.Next(rec)
	switch {
	case err != nil:
		f.endPass(err)
		return false
	case rec.Time < f.sel.From && f.sel.From != 0:
		return false
	case rec.Time >= f.sel.To:
		f.endPass(nil)
		return false
	}
	if f.begun == 0 {
		f.first = rec.Time
	}
	f.begun++
	f.last = rec.Time
	if f.sel.Split && rec.Segs > 1 {
		f.seg.start(rec, f.mtu)
		f.seg.next(rec)
	}
	return true
}

// endPass begins the next pass, if there is one and this one gave anything.
func (f *Feed) endPass(err error) {
	f.seg.left = 0
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
		return
	}
	f.pass++
	if f.pass >= max(f.sel.Loops, 1) || f.begun == 0 {
		f.err = io.EOF
		return
	}
	span := f.last - f.first
	gap := pkt.Time(lonelyGap)
	if f.begun > 1 && span > 0 {
		gap = span / pkt.Time(f.begun-1)
	}
	if f.shift > traces.MaxTime-f.last-span-gap {
		f.err = fmt.Errorf("loop %d would end beyond the times a trace can hold", f.pass+1)
		return
	}
	f.shift += span + gap
	f.err = f.start()
}

// segments hands out the packets that a super-packet becomes on the wire, as
// traces.Source does with Split.
type segments struct {
	rec  traces.Record // its Seq that of the next segment
	mss  uint32
	rest uint32 // payload left
	left int
}

// TCP flags that segmentation treats apart.
const (
	flagFIN = 0x01
	flagPSH = 0x08
	flagCWR = 0x80
)

func (s *segments) start(r *traces.Record, mtu uint32) {
	*s = segments{rec: *r, left: int(r.Segs), rest: payload(r), mss: segmentSize(r, mtu)}
}

func (s *segments) next(r *traces.Record) {
	size := min(s.mss, s.rest)
	*r = s.rec
	r.Segs, r.Len = 1, uint32(r.HdrLen)+size
	r.Info &^= traces.GSO | traces.SegsEstimated
	s.rest -= size
	s.left--
	if r.Flow.Proto != pkt.ProtoTCP {
		return
	}
	s.rec.L4Flags &^= flagCWR
	s.rec.Seq += size
	if s.left > 0 {
		r.L4Flags &^= flagFIN | flagPSH
	}
}

func payload(r *traces.Record) uint32 {
	if r.Len < uint32(r.HdrLen) {
		return 0
	}
	return r.Len - uint32(r.HdrLen)
}

// segmentSize is the payload of a super-packet's full segment: as large as the
// recording's MTU allowed, if that explains the number of segments, else the
// payload shared out evenly.
func segmentSize(r *traces.Record, mtu uint32) uint32 {
	n, rest := uint32(r.Segs), payload(r)
	if n == 0 {
		return rest
	}
	if mtu > uint32(r.HdrLen) {
		if full := mtu - uint32(r.HdrLen); (uint64(rest)+uint64(full)-1)/uint64(full) == uint64(n) {
			return full
		}
	}
	return (rest + n - 1) / n
}
