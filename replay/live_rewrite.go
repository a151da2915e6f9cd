package replay

import (
	"time"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// nobody stands for a packet without an entry in a list of ids.
const nobody = ^uint64(0)

// pass accepts a packet that is none of the run's: a copy of ours that a rule has
// sent to the queue, or one beyond the limit.
func (l *Live) pass(p *nfq.Packet) {
	l.log.passed++
	l.opt.Meter.Decided(traces.Accept, 1)
	l.out = append(l.out, nfq.Verdict{ID: p.ID, Queue: p.Queue, Action: nfq.Accept})
	l.sent = append(l.sent, nobody)
}

// copied takes in an event of a copy of e's packet. It has no record: what
// became of it is in the run's digest, and counted.
func (d *decisions) copied(ev egress.Event, e *entry) {
	switch ev.Kind {
	case egress.Duplicate:
		e.copies++
		e.rec.Info |= traces.Copied
		d.rw.result.Copies++
	case egress.Drop:
		e.copies--
		d.rw.result.Lost++
	case egress.Deliver:
		e.copies--
		d.leave(ev, e)
	}
}

// leave puts a copy among what is to be sent.
func (d *decisions) leave(ev egress.Event, e *entry) {
	c := copied{bytes: e.bytes, due: ev.Time, dev: e.rec.Path.OutDev, mark: e.rec.Mark, after: len(d.out)}
	why := e.unfit()
	if ev.Packet.Mark != pkt.NoReason && why == "" {
		c.bytes = d.rw.lend(c.bytes)
		setCE(c.bytes)
	}
	if ev.Packet.Flaws&pkt.Corrupted != 0 {
		if why == "" {
			c.bytes = d.rw.lend(c.bytes)
		}
		c.damaged = d.rw.flip(c.bytes, why)
	}
	if why != "" {
		count(&d.rw.result.Refused, why)
		return
	}
	d.rw.out = append(d.rw.out, c)
}

// corrupted is what the packet of e becomes; nil if it cannot be changed.
func (d *decisions) corrupted(e *entry) []byte {
	e.rec.Info |= traces.Corrupted
	why := e.unfit()
	if why != "" {
		d.rw.flip(nil, why)
		return nil
	}
	b := d.rw.lend(e.bytes)
	if !d.rw.flip(b, why) {
		return nil
	}
	return b
}

// sendCopy sends a copy.
func (l *Live) sendCopy(c *copied) {
	begun := l.opt.Clock.Now()
	if err := l.rw.sender.Send(c.bytes, c.dev, c.mark); err != nil {
		count(&l.rw.result.Refused, refusal(err))
		return
	}
	l.rw.result.Sent++
	late := l.opt.Clock.Now().Sub(c.due)
	l.opt.Meter.Late(late, 1)
	_ = l.lateness.RecordValue(min(int64(late), int64(time.Minute)))
	if l.opt.OnCopy != nil {
		l.opt.OnCopy(c.bytes, c.damaged, begun)
	}
}

// rewrites is the account at the end.
func (l *Live) rewrites() *Rewrites {
	r := l.rw.result
	r.Unfinished = r.Copies - r.Sent - r.Lost - total(r.Refused)
	return &r
}
