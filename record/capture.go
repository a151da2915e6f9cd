package record

import (
	"errors"
	"io"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// blockAge is the longest a block waits to fill.
const blockAge = 50 * time.Millisecond

// capture is the side that serves the queue.
type capture struct {
	q      Queue
	clock  Clock
	ring   *ring
	shared *counters
	quota  *quota
	// shutdown ends the queue's feed.
	shutdown func()
	meter    *Meter // or nil

	open     *block   // being filled, or nil
	settling []*block // full, oldest first, until the kernel has had its say on their verdicts
	rounds   Rounds
	opened   pkt.Time
	verdicts []nfq.Verdict
	received uint64   // packets, those beyond the limit too
	overrun  uint64   // packets without a record that no event tells of yet
	untold   nfq.Loss // losses that no event tells of yet
	count    Counts
	failed   bool // run ended by an error

	latency *hdrhistogram.Histogram // receipt to verdict, ns, per packet
	batches *hdrhistogram.Histogram // packets per batch
}

// maxLatency is the most the latency histogram tells apart, in nanoseconds.
const maxLatency = int64(60 * time.Second)

func newCapture(q Queue, r *ring, shared *counters, o Options) *capture {
	return &capture{
		q: q, clock: o.Clock, ring: r, shared: shared, quota: &quota{limit: o.Packets}, shutdown: q.Shutdown, meter: o.Meter,
		verdicts: make([]nfq.Verdict, 0, nfq.BatchSize),
		latency:  hdrhistogram.New(1, maxLatency, 3),
		batches:  hdrhistogram.New(1, nfq.BatchSize, 3),
	}
}

// quota is how many packets captures may take together. The zero quota has no
// limit.
type quota struct {
	limit uint64
	taken atomic.Uint64
}

// take says how many of n packets are within the limit.
func (q *quota) take(n int) int {
	if q.limit == 0 {
		return n
	}
	before := q.taken.Add(uint64(n)) - uint64(n)
	if before >= q.limit {
		return 0
	}
	return int(min(uint64(n), q.limit-before))
}

func (q *quota) reached() bool { return q.limit > 0 && q.taken.Load() >= q.limit }

// run serves the queue until it ends. It has the thread for itself, which tune
// prepares.
func (c *capture) run(tune func() error) error {
	runtime.LockOSThread() // for good: a tuned thread is no use to others
	if err := tune(); err != nil {
		c.failed = true
		return err
	}
	for {
		batch, err := c.q.Receive(c.timeout())
		c.ring.idle.Store(false)
		now := c.clock.Now()
		if sendErr := c.serve(batch, now); err == nil {
			err = sendErr
		}
		c.shared.set(c.count)
		c.ring.idle.Store(c.open == nil && len(c.settling) == 0)
		if err != nil {
			c.finish(now)
			c.ring.idle.Store(true)
			if errors.Is(err, io.EOF) {
				return nil
			}
			c.failed = true
			return err
		}
	}
}

// timeout is how long the open block may still wait for packets.
func (c *capture) timeout() time.Duration {
	if len(c.settling) > 0 {
		return 0 // to see whether the socket is empty
	}
	if c.open == nil || c.open.empty() {
		if c.overrun > 0 || c.untold.Any() {
			return blockAge
		}
		return nfq.Forever
	}
	return max(c.opened.Add(blockAge).Sub(c.clock.Now()), 0)
}

// serve gives a batch its verdicts and then notes what there is to note.
func (c *capture) serve(b nfq.Batch, now pkt.Time) error {
	err := c.accept(b.Packets)
	done, sent := c.clock.Now(), nfq.Sent(len(b.Packets), err)
	b.Loss.Refused += uint64(len(b.Packets) - sent)
	c.rounds.Advance(b)
	for _, r := range b.Gone {
		c.markLost(r.ID)
	}
	if c.open != nil && (now.Sub(c.opened) >= blockAge || !c.open.room(len(b.Packets))) {
		c.retire(now)
	}
	c.settle()
	c.received += uint64(len(b.Packets))
	c.meter.Arrived(len(b.Packets))
	if b.Loss.Any() {
		c.count.Add(b.Loss)
		c.untold.Add(b.Loss)
	}
	if c.untold.Any() {
		c.ready(now)
	}
	if len(b.Packets) == 0 {
		c.noteOverrun(now)
		return err
	}
	_ = c.batches.RecordValue(int64(len(b.Packets)))
	_ = c.latency.RecordValues(min(int64(done.Sub(now)), maxLatency), int64(sent))
	c.meter.Decided(traces.Accept, sent)
	c.meter.Late(done.Sub(now), sent)
	c.take(b.Packets, now, done)
	for _, p := range b.Packets[sent:] {
		c.markLost(p.ID) // dropped when the queue is closed
	}
	return err
}

// accept lets all packets pass. Each has a verdict of its own, although one for
// the whole batch would do: that one costs as much and hides packets that the
// kernel has given up meanwhile.
func (c *capture) accept(ps []nfq.Packet) error {
	if len(ps) == 0 {
		return nil
	}
	c.verdicts = c.verdicts[:0]
	for i := range ps {
		c.verdicts = append(c.verdicts, nfq.Verdict{ID: ps[i].ID, Action: nfq.Accept})
	}
	return c.q.Send(c.verdicts)
}

// take copies the packets of a batch into the open block, or counts them where
// the ring is full.
func (c *capture) take(ps []nfq.Packet, now, done pkt.Time) {
	ps = ps[:c.quota.take(len(ps))]
	c.count.Packets += uint64(len(ps))
	for i := range ps {
		c.count.Bytes += uint64(ps[i].Len)
	}
	if len(ps) > 0 && c.ready(now) {
		for i := range ps {
			c.open.add(&ps[i], c.ring.snap, now, done)
		}
		c.open.round = c.rounds.Now()
	} else {
		c.overrun += uint64(len(ps))
		c.count.Losses.Records += uint64(len(ps))
	}
	if c.quota.reached() {
		c.shutdown()
	}
}

// ready makes sure that there is an open block, or says that there cannot be.
func (c *capture) ready(now pkt.Time) bool {
	if c.open == nil {
		if c.open = c.ring.take(); c.open == nil {
			return false
		}
		c.opened = now
		c.noteOverrun(now)
	}
	c.noteLoss(now)
	return true
}

// markLost notes that no verdict for id came in time. A packet whose block is
// with the writer already stays as it is; an event counts it all the same.
func (c *capture) markLost(id uint32) {
	if c.open != nil && c.open.markLost(id) {
		return
	}
	for i := len(c.settling) - 1; i >= 0; i-- {
		if c.settling[i].markLost(id) {
			return
		}
	}
}

// retire closes the open block; what follows it is not before now.
func (c *capture) retire(now pkt.Time) {
	c.open.until = now
	c.settling = append(c.settling, c.open)
	c.open = nil
}

// settle gives blocks to the writer once all complaints about their verdicts
// have come, and in any case before half the ring waits for that. The channel
// has room for every block there is.
func (c *capture) settle() {
	n := 0
	for ; n < len(c.settling); n++ {
		if b := c.settling[n]; b.round >= c.rounds.Now() && len(c.settling)-n <= cap(c.ring.full)/2 {
			break
		}
		c.handOver(c.settling[n])
	}
	c.settling = slices.Delete(c.settling, 0, n)
}

// finish hands over what is left.
func (c *capture) finish(now pkt.Time) {
	c.noteOverrun(now)
	if c.untold.Any() {
		c.ready(now)
	}
	if c.open != nil {
		c.retire(now)
	}
	for _, b := range c.settling {
		c.handOver(b)
	}
	c.settling = nil
}

func (c *capture) handOver(b *block) { c.ring.full <- b }

// noteOverrun writes down the records dropped so far, once there is room.
func (c *capture) noteOverrun(now pkt.Time) {
	if c.overrun == 0 {
		return
	}
	n := c.overrun
	c.overrun = 0
	if !c.event(OverrunEvent(now, n)) {
		c.overrun = n
	}
}

// noteLoss puts what was lost into the open block.
func (c *capture) noteLoss(now pkt.Time) {
	if !c.untold.Any() {
		return
	}
	l := c.untold
	c.untold = nfq.Loss{}
	for _, e := range LossEvents(now, l) {
		c.event(e)
	}
}

// event puts e behind the packets of the open block and reports whether it
// could.
func (c *capture) event(e traces.Event) bool {
	if !c.ready(e.Time) {
		return false
	}
	c.open.events = append(c.open.events, placedEvent{len(c.open.entries), e})
	return true
}
