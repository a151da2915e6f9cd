package traces

import "sync"

// job is a block on its way through a worker.
type job struct {
	index int
	block Block
	err   error
	done  chan struct{}
}

// Each calls f for blocks from..to-1 (to -1 means all) in order, while workers
// goroutines decode ahead of it; it holds at most 2*workers+1 blocks. f must
// not keep b. An error of f ends it. When a block cannot be read, f has had all
// blocks before it.
func (f *File) Each(workers, from, to int, each func(i int, b *Block) error) error {
	if to < 0 {
		to = len(f.blocks)
	}
	if from >= to {
		return nil
	}
	workers = max(1, min(workers, to-from))
	free := make(chan *job, 2*workers)
	order := make(chan *job, 2*workers)
	work := make(chan *job, 2*workers)
	stop := make(chan struct{})
	var running sync.WaitGroup
	defer running.Wait()
	defer close(stop)
	for range cap(free) {
		free <- &job{done: make(chan struct{}, 1)}
	}
	for range workers {
		d, err := f.Decoder()
		if err != nil {
			return err
		}
		running.Go(func() { d.serve(work, stop) })
	}
	// Reuse is bounded by free: nothing here can block for good.
	next := from
	for i := from; i < to; i++ {
		for next < to && len(free) > 0 {
			j := <-free
			j.index = next
			next++
			work <- j
			order <- j
		}
		j := <-order
		<-j.done
		if j.err != nil {
			return j.err
		}
		if err := each(i, &j.block); err != nil {
			return err
		}
		free <- j
	}
	return nil
}

func (d *BlockDecoder) serve(work <-chan *job, stop <-chan struct{}) {
	for {
		select {
		case j := <-work:
			j.err = d.ReadBlock(j.index, &j.block)
			j.done <- struct{}{}
		case <-stop:
			return
		}
	}
}
