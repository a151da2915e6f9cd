package traces

import (
	"io"

	"github.com/uqtool/uq/sim/pkt"
)

// Prefetch reads a Source ahead of its consumer: a goroutine of its own decodes
// the trace and makes the next packets while the last ones are used, so that a
// simulation on one processor need not wait for a decoder that can have another.
// It gives what the Source would, to one consumer.
type Prefetch struct {
	src  *Source
	free chan []pkt.Packet
	full chan []pkt.Packet // closed when src.err says why there is no more
	stop chan struct{}

	batch []pkt.Packet
	at    int // of the next packet in batch
	err   error
	ended bool
}

const (
	// prefetchBatches is how many batches there are: one in use, one that waits,
	// one being made.
	prefetchBatches = 3
	// prefetchPackets is how many packets a batch holds at most.
	prefetchPackets = DefaultBlockRecords
)

// NewPrefetch starts to read src, which is the Prefetch's until Next has said
// that there is no more. Close ends the reading earlier.
func NewPrefetch(src *Source) *Prefetch {
	p := &Prefetch{
		src: src, stop: make(chan struct{}),
		free: make(chan []pkt.Packet, prefetchBatches), full: make(chan []pkt.Packet, prefetchBatches),
	}
	for range prefetchBatches {
		p.free <- make([]pkt.Packet, prefetchPackets)
	}
	go p.run()
	return p
}

// run makes packets until the trace or the consumer ends.
func (p *Prefetch) run() {
	defer close(p.full)
	for {
		select {
		case <-p.stop:
			return
		case b := <-p.free:
			n := p.src.fill(b)
			if n == 0 {
				return
			}
			p.full <- b[:n] // has room for every batch
		}
	}
}

// Next is Source.Next.
func (p *Prefetch) Next(q *pkt.Packet) (ok bool, err error) {
	if p.at == len(p.batch) && !p.turn() {
		return false, p.err
	}
	*q = p.batch[p.at]
	p.at++
	return true, nil
}

// turn swaps the batch for the next one, if there is one.
func (p *Prefetch) turn() (ok bool) {
	if p.ended {
		return false
	}
	if p.batch != nil {
		p.free <- p.batch[:cap(p.batch)]
	}
	p.batch, p.at = <-p.full, 0
	if p.batch == nil {
		p.ended, p.err = true, p.src.end()
	}
	return !p.ended
}

// Close ends the reading where it did not end by itself, after the block under
// way: it does not wait for that, which may take as long as a pipe is silent.
// It may be called again.
func (p *Prefetch) Close() {
	if !p.ended {
		p.batch, p.at = nil, 0
		p.ended, p.err = true, io.ErrClosedPipe
		close(p.stop)
	}
}
