package traces

import (
	"io"
	"runtime"

	"github.com/uqtool/uq/sim/pkt"
)

// Prefetch reads a Source ahead of its consumer: a goroutine of its own decodes
// the trace and makes the next packets while the last ones are used, so that a
// simulation on one processor need not wait for a decoder that can have another.
// It gives what the Source would, to one consumer. Where there is one processor
// only, there is no goroutine, and the Source is read when it is needed.
type Prefetch struct {
	src    *Source
	direct bool // without a goroutine
	free   chan []*pkt.Packet
	full   chan []*pkt.Packet // closed when src.err says why there is no more
	stop   chan struct{}

	batch []*pkt.Packet
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
	p := &Prefetch{src: src, stop: make(chan struct{})}
	if p.direct = runtime.GOMAXPROCS(0) == 1; p.direct {
		return p
	}
	p.free, p.full = make(chan []*pkt.Packet, prefetchBatches), make(chan []*pkt.Packet, prefetchBatches)
	for range prefetchBatches {
		slab, b := make([]pkt.Packet, prefetchPackets), make([]*pkt.Packet, prefetchPackets)
		for i := range b {
			b[i] = &slab[i]
		}
		p.free <- b
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
	one := [1]*pkt.Packet{q}
	n, err := p.Fill(one[:])
	if n > 0 && one[0] != q {
		*q = *one[0]
		p.batch[p.at-1] = one[0]
	}
	return n > 0, err
}

// Fill is Source.Fill, but for that it gives packets of its own for those in ps,
// which it keeps.
func (p *Prefetch) Fill(ps []*pkt.Packet) (n int, err error) {
	switch {
	case p.direct && !p.ended:
		n, p.err = p.src.Fill(ps)
		p.ended = n == 0
		return n, p.err
	case p.at == len(p.batch) && !p.turn():
		return 0, p.err
	}
	made := p.batch[p.at:]
	n = min(len(ps), len(made))
	for i, q := range ps[:n] {
		ps[i], made[i] = made[i], q
	}
	p.at += n
	return n, nil
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
