package traces

import "io"

// Prefetch reads ahead of its consumer: a goroutine of its own decodes the next
// blocks while the last one is used, so that a simulation on one processor need
// not wait for a decoder that can have another. It is a BlockReader for one
// consumer.
type Prefetch struct {
	r       BlockReader
	headers bool
	free    chan *Block
	full    chan prefetched
	stop    chan struct{}
	err     error // sticky
}

// prefetched is a block, or why there is none.
type prefetched struct {
	b   *Block
	err error
}

// prefetchBlocks is how many blocks are under way: one being decoded, one that
// waits.
const prefetchBlocks = 2

// NewPrefetch starts to read r, which is the Prefetch's until it has ended: by
// an error, io.EOF too, that NextBlock returned, or by Close. headersOnly is
// what the blocks asked for will be.
func NewPrefetch(r BlockReader, headersOnly bool) *Prefetch {
	p := &Prefetch{
		r: r, headers: headersOnly,
		free: make(chan *Block, prefetchBlocks), full: make(chan prefetched, prefetchBlocks), stop: make(chan struct{}),
	}
	for range prefetchBlocks {
		p.free <- &Block{HeadersOnly: headersOnly}
	}
	go p.run()
	return p
}

// Header describes the trace.
func (p *Prefetch) Header() Header { return p.r.Header() }

// run decodes until the trace or the consumer ends.
func (p *Prefetch) run() {
	for {
		select {
		case <-p.stop:
			return
		case b := <-p.free:
			err := p.r.NextBlock(b)
			p.full <- prefetched{b, err} // has room for every block
			if err != nil {
				return
			}
		}
	}
}

// NextBlock swaps the next block for what is in b.
func (p *Prefetch) NextBlock(b *Block) error {
	if p.err != nil {
		return p.err
	}
	next := <-p.full
	if p.err = next.err; p.err != nil {
		return p.err
	}
	*b, *next.b = *next.b, *b
	next.b.HeadersOnly = p.headers
	p.free <- next.b
	return nil
}

// Close ends the reading where it did not end by itself, after the block under
// way: it does not wait for that, which may take as long as a pipe is silent.
// It may be called again.
func (p *Prefetch) Close() {
	if p.err == nil {
		p.err = io.ErrClosedPipe
		close(p.stop)
	}
}
