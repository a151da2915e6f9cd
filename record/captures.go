package record

import (
	"errors"
	"sync"
)

// captures are those of one recording, each serving a queue in a thread of its
// own.
type captures struct {
	each   []*capture
	rings  []*ring
	shared tally
	thread func(i int) error // or nil
	stop   func()
}

func newCaptures(qs []Queue, g *Ledger, o Options) *captures {
	all := &captures{rings: newRings(len(qs), o.Buffer, o.CopyRange), thread: o.Thread}
	all.stop = func() { g.Stop(all) }
	limit := &quota{limit: o.Packets}
	for i, q := range qs {
		shared := &counters{}
		c := newCapture(q, all.rings[i], shared, o)
		c.quota, c.shutdown = limit, all.stop
		all.each, all.shared = append(all.each, c), append(all.shared, shared)
	}
	return all
}

// Shutdown ends the feed of every queue.
func (all *captures) Shutdown() {
	for _, c := range all.each {
		c.q.Shutdown()
	}
}

// run serves all queues until they have ended, and tells the writer.
func (all *captures) run() error {
	defer close(all.rings[0].full)
	errs := make([]error, len(all.each))
	var wg sync.WaitGroup
	for i := range all.each {
		wg.Go(func() {
			if errs[i] = all.each[i].run(all.tune(i)); errs[i] != nil {
				all.stop()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// tune prepares the calling thread for the i-th queue.
func (all *captures) tune(i int) func() error {
	if all.thread == nil {
		return func() error { return nil }
	}
	return func() error { return all.thread(i) }
}

// sum adds up the captures, once they have ended.
func (all *captures) sum() *capture {
	sum := all.each[0]
	for _, c := range all.each[1:] {
		sum.received += c.received
		sum.overrun += c.overrun
		sum.untold.Add(c.untold)
		sum.failed = sum.failed || c.failed
		sum.latency.Merge(c.latency)
		sum.batches.Merge(c.batches)
	}
	return sum
}

// tally is the counters of all captures.
type tally []*counters

func (t tally) get() Counts {
	var sum Counts
	for _, s := range t {
		c := s.get()
		sum.Packets += c.Packets
		sum.Bytes += c.Bytes
		sum.Losses.add(c.Losses)
	}
	return sum
}

// add counts another capture's losses.
func (l *Losses) add(m Losses) {
	l.Missing += m.Missing
	l.Overflows += m.Overflows
	l.QueueFull += m.QueueFull
	l.Gone += m.Gone
	l.Refused += m.Refused
	l.Unparsed += m.Unparsed
	l.Records += m.Records
}
