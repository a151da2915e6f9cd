package replay

import (
	"fmt"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/pkt"
)

// settle takes in what the kernel told about earlier verdicts, and writes down
// the packets it had its say on. One that is held for too long leaves without
// its fate, so that it keeps back neither the trace nor memory.
func (l *Live) settle(b nfq.Batch, now pkt.Time) {
	for _, r := range b.Gone {
		l.held.gone(r)
	}
	round := l.round.Now()
	for {
		if e := l.held.settled(round); e != nil {
			if !l.log.ready(now) && l.held.waiting() <= l.behind {
				break // the writer is coming
			}
			l.log.record(&e.rec, now)
			l.held.pop()
		} else if e := l.held.overdue(now); e != nil {
			l.log.record(&e.rec, now)
			if !e.decided {
				l.result.Untold++
			}
			l.held.keep()
		} else {
			l.behind = l.held.waiting()
			break
		}
	}
	l.behind = min(l.behind, l.held.waiting())
	if b.Loss.Any() {
		l.log.loss(b.Loss, now)
	}
	l.log.age(now)
}

// untoldNote words Untold; empty for none.
func (r *Result) untoldNote() string {
	if r.Untold == 0 {
		return ""
	}
	return fmt.Sprintf("%d packets were held for so long that their records left before their fate was known", r.Untold)
}
