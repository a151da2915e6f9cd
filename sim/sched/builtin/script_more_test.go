package builtin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// special gives q what else the command says of it: its DSCP, its addresses'
// last bytes, and of an acknowledgement the number, with ece or sack.
func (p *player) special(t *testing.T, d *datadriven.TestData, q *pkt.Packet) {
	key, changed := q.Flow.FlowKey, false
	number := func(name string, set func(int)) {
		if d.HasArg(name) {
			n := 0
			d.ScanArgs(t, name, &n)
			set(n)
		}
	}
	number("dscp", func(n int) { q.DSField |= uint8(n) << 2 })
	number("src", func(n int) { key.Src[3], changed = byte(n), true })
	number("dst", func(n int) { key.Dst[3], changed = byte(n), true })
	q.L3Len, q.HdrLen = q.Len-14, 40
	number("segs", func(n int) { // len counts the headers of each
		q.Segs = uint16(n)
		q.L3Len = q.Len - uint32(n)*14 - uint32(n-1)*40
	})
	number("ack", func(n int) {
		key.Proto, changed = pkt.ProtoTCP, true
		q.TCPFlags, q.Ack, q.HdrLen, q.L3Len, q.Len = 0x10, uint32(n), 52, 52, 66
		if d.HasArg("ece") {
			q.TCPFlags |= 0x40
		}
		if d.HasArg("sack") {
			q.HdrLen, q.L3Len, q.Len = 64, 64, 78
		}
	})
	if changed {
		q.Flow = pkt.NewFlow(key, q.Flow.ID, 0)
	}
}

// run serves the queue whenever the qdisc allows it, from t until a time.
func (p *player) run(t *testing.T, d *datadriven.TestData) {
	now, until := pkt.Time(span(t, d, "t")), pkt.Time(span(t, d, "until"))
	for now <= until {
		if q := p.s.Dequeue(now); q != nil {
			p.sent(now, q)
			continue
		}
		w, ok := p.s.(sched.Waiter)
		if !ok || w.NextWake() == pkt.Never {
			return
		}
		now = w.NextWake()
	}
}

// tins prints each tin's counters that are not 0.
func (p *player) tins() {
	for i, tin := range p.s.(sched.Tinned).Tins() {
		var words []string
		for _, f := range tin {
			if f.Num != 0 {
				words = append(words, f.Key+" "+f.String())
			}
		}
		fmt.Fprintf(&p.out, "%d: %s\n", i, strings.Join(words, " "))
	}
}
