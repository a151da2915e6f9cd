package replay

import (
	"fmt"
	"time"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

const (
	// pageRecords is how many records travel to the writer at once.
	pageRecords = 512
	// pages is how many pages there are: what the disk may fall behind by.
	pages = 128
	// pageAge is the longest a page waits to fill.
	pageAge = 50 * time.Millisecond
	// flushEvery bounds what a crash loses, with a page's age on top.
	flushEvery = 750 * time.Millisecond
	// reportEvery is between calls of Progress.
	reportEvery = 250 * time.Millisecond
)

// page is a stretch of the journal, on its way to the writer or back.
type page struct {
	recs   []traces.Record
	events []traces.Event
	counts record.Counts
}

// journal passes records from the loop to the trace's writer, which runs in a
// goroutine of its own so that a slow disk does not delay a verdict. Where all
// pages wait for the disk, records are dropped and counted.
type journal struct {
	clock      record.Clock
	free, full chan *page
	done       chan struct{}
	open       *page
	opened     pkt.Time
	counts     record.Counts
	segs       uint64
	overrun    uint64 // records dropped that no event tells of yet

	w        *traces.Writer
	progress func(record.Progress)
	err      error  // of the writer
	failed   uint64 // records that met it
}

func startJournal(w *traces.Writer, clock record.Clock, progress func(record.Progress)) *journal {
	j := &journal{
		clock: clock, w: w, progress: progress,
		free: make(chan *page, pages), full: make(chan *page, pages), done: make(chan struct{}),
	}
	for range pages {
		j.free <- &page{recs: make([]traces.Record, 0, pageRecords)}
	}
	go j.write()
	return j
}

// count notes an arrival.
func (j *journal) count(r *traces.Record) {
	j.counts.Packets++
	j.counts.Bytes += uint64(r.Len)
	j.segs += uint64(r.Segs)
}

// record writes r down. Records must come in order of arrival.
func (j *journal) record(r *traces.Record, now pkt.Time) {
	if !j.ready(now) {
		j.overrun++
		j.counts.Losses.Records++
		return
	}
	j.open.recs = append(j.open.recs, *r)
	if len(j.open.recs) == pageRecords {
		j.handOver()
	}
}

// loss counts what a batch lost and writes it down.
func (j *journal) loss(l nfq.Loss, now pkt.Time) {
	j.counts.Add(l)
	for _, e := range record.LossEvents(now, l) {
		if j.ready(now) {
			j.open.events = append(j.open.events, e)
		}
	}
}

// ready makes sure of an open page, or says that there is none.
func (j *journal) ready(now pkt.Time) bool {
	if j.open != nil {
		return true
	}
	select {
	case j.open = <-j.free:
	default:
		return false
	}
	j.open.recs, j.open.events, j.opened = j.open.recs[:0], j.open.events[:0], now
	if j.overrun > 0 {
		j.open.events = append(j.open.events, record.OverrunEvent(now, j.overrun))
		j.overrun = 0
	}
	return true
}

// age hands the open page over if it is old, and else says how old it is.
func (j *journal) age(now pkt.Time) (time.Duration, bool) {
	if j.open == nil {
		return 0, false
	}
	age := now.Sub(j.opened)
	if age >= pageAge {
		j.handOver()
		return 0, false
	}
	return age, true
}

func (j *journal) handOver() {
	j.open.counts = j.counts
	j.full <- j.open // has room for every page there is
	j.open = nil
}

// write is the writer's side.
func (j *journal) write() {
	defer close(j.done)
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	var counts record.Counts
	flushed := j.clock.Now()
	for {
		select {
		case p, ok := <-j.full:
			if !ok {
				return
			}
			counts = p.counts
			j.page(p)
			j.free <- p
		case <-tick.C:
			if now := j.clock.Now(); now.Sub(flushed) >= flushEvery {
				flushed = now
				j.keep(j.w.Flush)
			}
			if j.progress != nil {
				j.progress(record.Progress{Counts: counts, Elapsed: time.Duration(j.clock.Now()), Written: j.w.Stats(), Err: j.err})
			}
		}
	}
}

func (j *journal) page(p *page) {
	for _, e := range p.events {
		j.keep(func() error { return j.w.Event(e) })
	}
	for i := range p.recs {
		if j.keep(func() error { return j.w.Append(&p.recs[i]) }); j.err != nil {
			j.failed++
		}
	}
}

func (j *journal) keep(f func() error) {
	if j.err == nil {
		j.err = f()
	}
}

// close ends the trace and returns the totals.
func (j *journal) close(end traces.End) (counts record.Counts, err error) {
	if j.overrun > 0 {
		j.ready(j.clock.Now())
	}
	if j.open != nil {
		j.handOver()
	}
	close(j.full)
	<-j.done
	j.counts.Losses.Records += j.failed
	end.DurationNs = int64(j.clock.Now())
	end.Lost = j.counts.Losses.ByKind()
	j.keep(func() error { return j.w.Close(end) })
	if j.err != nil {
		return j.counts, fmt.Errorf("the packets passed, but %d records were not written: %w", j.counts.Losses.Records, j.err)
	}
	return j.counts, nil
}
