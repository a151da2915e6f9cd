package replay

import (
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
// pages wait for the disk, records are dropped and counted; only after the last
// verdict are pages waited for.
type journal struct {
	clock      record.Clock
	free, full chan *page
	done       chan struct{}
	open       *page
	opened     pkt.Time
	counts     record.Counts
	segs       uint64
	patient    bool     // wait for the writer instead of dropping records
	overrun    uint64   // records dropped that no event tells of yet
	untold     nfq.Loss // likewise losses
	passed     uint64   // packets that came, but are none of the run's

	notes    []string       // to be kept in the trace at its end
	ledger   *record.Ledger // the writer's
	progress func(record.Progress)
}

func startJournal(g *record.Ledger, clock record.Clock, progress func(record.Progress)) *journal {
	j := &journal{
		clock: clock, ledger: g, progress: progress,
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
	j.untold.Add(l)
	if j.ready(now) {
		j.open.events = append(j.open.events, j.late(now)...)
	}
}

// late are the events of what no page had room for.
func (j *journal) late(now pkt.Time) []traces.Event {
	if j.overrun == 0 && !j.untold.Any() {
		return nil
	}
	es := record.LossEvents(now, j.untold)
	if j.overrun > 0 {
		es = append(es, record.OverrunEvent(now, j.overrun))
	}
	j.overrun, j.untold = 0, nfq.Loss{}
	return es
}

// ready makes sure of an open page, or says that there is none.
func (j *journal) ready(now pkt.Time) bool {
	if j.open != nil {
		return true
	}
	select {
	case j.open = <-j.free:
	default:
		if !j.patient {
			return false
		}
		j.open = <-j.free
	}
	j.open.recs, j.open.events, j.opened = j.open.recs[:0], j.open.events[:0], now
	j.open.events = append(j.open.events, j.late(now)...)
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
			j.ledger.Tick()
			if j.progress != nil {
				j.progress(record.NewProgress(j.ledger, counts))
			}
		}
	}
}

func (j *journal) page(p *page) {
	for _, e := range p.events {
		j.ledger.Event(e)
	}
	for i := range p.recs {
		j.ledger.Append(&p.recs[i])
	}
}

// note keeps a remark, if it is one, for the trace's end.
func (j *journal) note(text string) {
	if text != "" {
		j.notes = append(j.notes, text)
	}
}

// close ends the trace and returns the totals.
func (j *journal) close(end traces.End) (record.Counts, error) {
	if j.open != nil {
		j.handOver()
	}
	close(j.full)
	<-j.done
	for _, e := range j.late(j.clock.Now()) {
		j.ledger.Event(e)
	}
	for _, text := range j.notes {
		j.ledger.Event(traces.Event{Time: j.clock.Now(), Kind: traces.Note, Text: text})
	}
	seen := j.counts.Losses
	j.counts.Losses = j.ledger.Close(end, j.counts.Packets+j.passed, seen)
	return j.counts, j.ledger.Failure(seen)
}
