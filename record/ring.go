package record

import (
	"sync/atomic"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

const (
	// blockPackets is how many packets a block takes.
	blockPackets = 1024
	// maxSnap is the most bytes of a packet that the decoder gets to see,
	// whatever the copy range: no headers are longer.
	maxSnap = 512
	// maxEvents bounds the events of a block, of which a batch adds a few.
	maxEvents = 256
)

// entry is one packet between the two goroutines. It holds no pointer, so that
// the collector has nothing to look for in a block.
type entry struct {
	time, verdict pkt.Time
	kernelTime    int64 // ns since 1970, or 0
	id            uint32
	len           uint32
	mark          uint32
	inDev, outDev uint32
	info          nfq.SkbInfo
	off           uint32 // in block.bytes
	seen          uint16 // bytes there
	hook          uint8
	lost          bool // the kernel had given it up
	damaged       bool // its message could not be read whole
}

// placedEvent is an event before entry number at.
type placedEvent struct {
	at int
	traces.Event
}

// block is a stretch of the capture. It belongs to the goroutine that took it
// out of a channel of the ring.
type block struct {
	entries []entry
	bytes   []byte
	events  []placedEvent
	round   uint64   // in which its last verdicts were sent
	until   pkt.Time // what comes after it is not earlier than that
	ring    *ring    // it belongs to
}

func (b *block) reset() {
	b.entries, b.bytes, b.events, b.round = b.entries[:0], b.bytes[:0], b.events[:0], 0
}

// room says whether a batch of n packets and its events fit.
func (b *block) room(n int) bool {
	return len(b.entries)+n <= blockPackets && len(b.events) < maxEvents
}

func (b *block) empty() bool { return len(b.entries) == 0 && len(b.events) == 0 }

// add copies p, of which at most snap bytes. There must be room.
func (b *block) add(p *nfq.Packet, snap int, at, verdict pkt.Time) {
	seen := p.Payload[:min(len(p.Payload), snap)]
	b.entries = append(b.entries, entry{
		time: at, verdict: verdict, kernelTime: p.KernelTime,
		id: p.ID, len: p.Len, mark: p.Mark, inDev: p.InDev, outDev: p.OutDev, info: p.Info,
		off: uint32(len(b.bytes)), seen: uint16(len(seen)), hook: p.Hook, damaged: p.Damaged,
	})
	b.bytes = append(b.bytes, seen...)
}

// markLost notes that the verdict for id came too late and reports whether id is
// in the block.
func (b *block) markLost(id uint32) bool {
	n := len(b.entries)
	if n == 0 || id-b.entries[0].id > b.entries[n-1].id-b.entries[0].id {
		return false // ids count up, and around
	}
	for i := n - 1; i >= 0; i-- {
		if b.entries[i].id == id {
			b.entries[i].lost = true
			return true
		}
	}
	return false
}

// ring hands blocks from a capture to the writer and back. Their number is
// fixed. Rings may share the channel to the writer.
type ring struct {
	free, full chan *block
	snap       int
	queue      int // its place among the rings that share full
	// idle says that the capture holds no block, and has read no clock for one
	// to come: see merge.
	idle atomic.Bool
}

// newRing makes the ring of one queue.
func newRing(packets, copyRange int) *ring { return newRings(1, packets, copyRange)[0] }

// minBlocks is the fewest blocks of one of several rings: while one waits for
// what the others hold, packets come on.
const minBlocks = 16

// newRings makes rings for so many queues, of so many packets in all.
func newRings(queues, packets, copyRange int) []*ring {
	n := max((packets+blockPackets-1)/blockPackets, 2)
	if queues > 1 {
		n = max(n/queues, minBlocks)
	}
	full := make(chan *block, n*queues)
	rings := make([]*ring, queues)
	for i := range rings {
		r := &ring{free: make(chan *block, n), full: full, snap: min(copyRange, maxSnap), queue: i}
		r.idle.Store(true)
		for range n {
			r.free <- &block{
				entries: make([]entry, 0, blockPackets),
				bytes:   make([]byte, 0, blockPackets*r.snap),
				ring:    r,
			}
		}
		rings[i] = r
	}
	return rings
}

// take returns an empty block, or nil if all are waiting to be written.
func (r *ring) take() *block {
	select {
	case b := <-r.free:
		b.reset()
		return b
	default:
		return nil
	}
}
