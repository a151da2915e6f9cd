package replay

import (
	"errors"
	"time"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// decisions is the Live as the port's Sink: events become verdicts.
type decisions Live

// Event implements egress.Sink.
func (d *decisions) Event(ev egress.Event) {
	e := d.held.at(ev.Packet.ID)
	if ev.Kind == egress.Deliver || ev.Kind == egress.Drop {
		d.left = append(d.left, ev.Packet.ID)
	}
	if ev.Packet.Flaws&pkt.Duplicated != 0 {
		d.copied(ev, e)
		return
	}
	switch ev.Kind {
	case egress.Mark:
		e.rec.Reason = ev.Reason
	case egress.Dequeue, egress.Uplink:
		e.rec.Dequeued = ev.Time
	case egress.Deliver:
		v := nfq.Verdict{ID: e.packet.ID, Queue: e.packet.Queue, Action: nfq.Accept}
		verdict := traces.Accept
		if ev.Packet.Mark != pkt.NoReason {
			verdict = traces.MarkCE
			v.SetMark, v.Mark = true, e.rec.Mark|d.opt.CEMark
		}
		if ev.Packet.Flaws&pkt.Corrupted != 0 {
			v.Payload = d.corrupted(e)
		}
		e.decide(verdict, pkt.NoReason, ev.Time)
		d.out, d.sent = append(d.out, v), append(d.sent, ev.Packet.ID)
	case egress.Drop:
		e.decide(traces.Drop, ev.Reason, ev.Time)
		d.out, d.sent = append(d.out, nfq.Verdict{ID: e.packet.ID, Queue: e.packet.Queue, Action: nfq.Drop}), append(d.sent, ev.Packet.ID)
	}
}

// send gives the verdicts decided since the last call, and sends the copies
// that fell due among them, in the order of the decisions.
func (l *Live) send() (err error) {
	given := 0
	for i := range l.rw.out {
		c := &l.rw.out[i]
		err = errors.Join(err, l.give(given, c.after))
		given = c.after
		l.sendCopy(c)
	}
	err = errors.Join(err, l.give(given, len(l.out)))
	l.out, l.sent = l.out[:0], l.sent[:0]
	l.rw.sent()
	for _, id := range l.left {
		if e := l.held.at(id); l.held.finish(id, e) {
			l.rw.forget(e)
		}
	}
	l.left = l.left[:0]
	return err
}

// give gives verdicts and measures how late they are. Those that cannot be sent
// are none: the kernel drops their packets when the queue is closed.
func (l *Live) give(from, to int) error {
	if from == to {
		return nil
	}
	err := l.q.Send(l.out[from:to])
	now, sent := l.opt.Clock.Now(), nfq.Sent(to-from, err)
	l.unsent(to-from-sent, now)
	for i, id := range l.sent[from:to] {
		if id == nobody {
			continue
		}
		e := l.held.at(id)
		e.round, e.rec.VerdictTime = l.round.Now(), now
		if i >= sent {
			e.rec.Info |= traces.Gone
			continue
		}
		l.opt.Meter.Decided(e.rec.Verdict, 1)
		if e.rec.Due != traces.NoTime {
			l.opt.Meter.Late(now.Sub(e.rec.Due), 1)
			_ = l.lateness.RecordValue(min(int64(now-e.rec.Due), int64(time.Minute)))
		}
	}
	return err
}

// unsent counts verdicts that could not be sent.
func (l *Live) unsent(n int, now pkt.Time) {
	if n > 0 {
		l.log.loss(nfq.Loss{Refused: uint64(n)}, now)
	}
}

// finish accepts what is still held, which the port did not decide, and writes
// everything down. An error here changes nothing: the queue is ending.
func (l *Live) finish() {
	late := l.held.undecided(func(e *entry) {
		e.rec.Verdict, e.rec.Reason = traces.Accept, pkt.Shutdown
		e.rec.Dequeued = traces.NoTime
		l.out = append(l.out, nfq.Verdict{ID: e.packet.ID, Queue: e.packet.Queue, Action: nfq.Accept})
		l.result.Unfinished++
	})
	sent := nfq.Sent(len(l.out), l.q.Send(l.out))
	l.opt.Meter.Decided(traces.Accept, sent)
	now := l.opt.Clock.Now()
	l.unsent(len(l.out)-sent, now)
	l.log.patient = true
	l.result.Untold -= uint64(late)
	sent -= late
	for ; l.held.n > 0; l.held.pop() {
		e := l.held.at(l.held.base)
		if !e.decided {
			if sent--; sent < 0 {
				e.rec.Info |= traces.Gone
			}
		}
		if e.rec.VerdictTime == traces.NoTime {
			e.rec.VerdictTime = now
		}
		l.log.record(&e.rec, now)
	}
}
