package explain

import (
	"slices"
	"strings"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
)

// Finder is a Sink that finds the packets worth explaining.
type Finder struct {
	// Flow restricts it to flows whose words contain this.
	Flow string
	// Worst is how many packets to find that waited longest in the queue.
	Worst int

	matches   map[*pkt.Flow]bool
	drop      uint64
	dropped   bool
	mark      uint64
	marked    bool
	worst     []late
	flowFound bool
}

// late is a packet that waited.
type late struct {
	id   uint64
	wait pkt.Time
}

// Event implements egress.Sink.
func (f *Finder) Event(e egress.Event) {
	p := e.Packet
	if !f.match(p.Flow) || p.Flaws&pkt.Duplicated != 0 {
		return
	}
	switch e.Kind {
	case egress.Drop:
		if !f.dropped {
			f.drop, f.dropped = p.ID, true
		}
	case egress.Mark:
		if !f.marked {
			f.mark, f.marked = p.ID, true
		}
	case egress.Dequeue:
		f.waited(late{p.ID, e.Time - p.Arrival})
	}
}

// mostMatches bounds the flows remembered.
const mostMatches = 1 << 16

func (f *Finder) match(flow *pkt.Flow) bool {
	if f.Flow == "" {
		return true
	}
	m, ok := f.matches[flow]
	if !ok {
		if f.matches == nil || len(f.matches) == mostMatches {
			f.matches = map[*pkt.Flow]bool{}
		}
		m = strings.Contains(flow.String(), f.Flow)
		f.matches[flow] = m
		f.flowFound = f.flowFound || m
	}
	return m
}

// waited keeps the worst, the longest wait first, the first of equal ones.
func (f *Finder) waited(l late) {
	if f.Worst == 0 || len(f.worst) == f.Worst && f.worst[len(f.worst)-1].wait >= l.wait {
		return
	}
	if len(f.worst) == f.Worst {
		f.worst = f.worst[:len(f.worst)-1]
	}
	at := len(f.worst)
	for at > 0 && f.worst[at-1].wait < l.wait {
		at--
	}
	f.worst = slices.Insert(f.worst, at, l)
}

// FirstDrop is the packet that was dropped first.
func (f *Finder) FirstDrop() (id uint64, ok bool) { return f.drop, f.dropped }

// FirstMark is the packet that was marked first.
func (f *Finder) FirstMark() (id uint64, ok bool) { return f.mark, f.marked }

// Latest are the packets that waited longest, the worst first.
func (f *Finder) Latest() (ids []uint64) {
	for _, l := range f.worst {
		ids = append(ids, l.id)
	}
	return ids
}

// FlowFound says whether any flow matched.
func (f *Finder) FlowFound() bool { return f.Flow == "" || f.flowFound }
