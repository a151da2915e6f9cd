package link

import (
	"bytes"
	"fmt"
	"math/bits"
	"sort"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// RateFile is a wire whose rate changes over time, as a file of lines
// "TIME,RATE" says, in tc's units:
//
//	time,rate
//	0s,20mbit
//	1.5s,800kbit
//	2s,0
//	10s,loop
//
// Times count from the run's time zero; the first is 0. A rate holds until the
// next line's time, the last one for ever, unless the last line says "loop": then
// its time is when the file starts over. Rate 0 sends nothing: a packet on the
// wire waits. Lines that begin with "#" and a first line of names are passed over.
//
// A packet takes as long as it takes to send its bits at the rates of the time;
// the remainder below a nanosecond is carried as [Rate] does.
type RateFile struct {
	file
	// Delay is the propagation delay.
	Delay time.Duration
	Framing

	steps  []rateStep
	period pkt.Time // 0 if the last rate holds
	round  volume   // sent in a period

	now   int // of steps, at the time of the last packet
	carry uint64
	idle  pkt.Time
}

type rateStep struct {
	at   pkt.Time
	rate uint64 // bits per second
}

// volume is an amount of data in bit·ns/s, 128 bits wide.
type volume struct{ hi, lo uint64 }

func (a volume) less(b volume) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

func (a volume) add(b volume) volume {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	return volume{a.hi + b.hi + carry, lo}
}

func (a volume) sub(b volume) volume {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	return volume{a.hi - b.hi - borrow, lo}
}

func product(x, y uint64) volume {
	hi, lo := bits.Mul64(x, y)
	return volume{hi, lo}
}

// Transmit implements Link.
func (l *RateFile) Transmit(now pkt.Time, src Source, out Outcome) (pkt.Time, bool) {
	p := src.Take(now)
	if p == nil {
		return now, false
	}
	if now != l.idle {
		l.carry = 0
	}
	free := min(l.finish(now, product(l.bytes(p)*8, 1e9).add(volume{lo: l.carry})), pkt.Horizon)
	l.idle = free
	out.Deliver(free.Add(l.Delay), p)
	return free, true
}

// finish is when need is sent if that begins at t.
func (l *RateFile) finish(t pkt.Time, need volume) pkt.Time {
	start := l.seek(t)
	for t < pkt.Horizon {
		if l.now == 0 && t == start && l.period > 0 {
			t, need = l.skip(t, need)
			start = t
		}
		rate, end := l.steps[l.now].rate, l.end(start)
		part := product(rate, uint64(end-t))
		switch {
		case need == volume{}:
			l.carry = 0
			return t
		case !part.less(need):
			var q uint64
			q, l.carry = bits.Div64(need.hi, need.lo, rate)
			return t + pkt.Time(q)
		}
		need = need.sub(part)
		if t = end; l.now+1 < len(l.steps) {
			l.now++
		} else {
			l.now, start = 0, end
		}
	}
	return pkt.Horizon
}

// end is when the current step ends, in the period that begins at start.
func (l *RateFile) end(start pkt.Time) pkt.Time {
	switch {
	case l.now+1 < len(l.steps):
		return start + l.steps[l.now+1].at
	case l.period > 0:
		return start + l.period
	}
	return pkt.Never
}

// seek finds the step in force at t and returns the beginning of its period.
func (l *RateFile) seek(t pkt.Time) (start pkt.Time) {
	if l.period > 0 {
		start = t - t%l.period
	}
	within := t - start
	if i := l.now; l.steps[i].at <= within && (i+1 == len(l.steps) || within < l.steps[i+1].at) {
		return start
	}
	l.now = sort.Search(len(l.steps), func(i int) bool { return l.steps[i].at > within }) - 1
	return start
}

// skip passes whole periods that need outlasts.
func (l *RateFile) skip(t pkt.Time, need volume) (pkt.Time, volume) {
	for l.round.hi > 0 && l.round.less(need) { // a few times: need.hi is small
		t, need = t+l.period, need.sub(l.round)
		if t >= pkt.Horizon {
			return pkt.Horizon, need
		}
	}
	if l.round.hi > 0 || !l.round.less(need) {
		return t, need
	}
	need = need.sub(volume{lo: 1}) // so that the last round is not passed
	if need.hi >= l.round.lo {
		return pkt.Horizon, need
	}
	n, rest := bits.Div64(need.hi, need.lo, l.round.lo)
	if hi, span := bits.Mul64(n, uint64(l.period)); hi == 0 && span < uint64(pkt.Horizon-t) {
		return t + pkt.Time(span), volume{lo: rest}.add(volume{lo: 1})
	}
	return pkt.Horizon, need
}

// Kind implements Link.
func (l *RateFile) Kind() string { return "rate-file" }

// Options implements Link.
func (l *RateFile) Options() []tc.Field { return fields(l) }

func (l *RateFile) words() tc.Options {
	return append(l.file.options("rate-file", "lines TIME,RATE; a last line TIME,loop starts over"), l.Framing.options()...)
}

func (l *RateFile) propagation() *time.Duration { return &l.Delay }

func (l *RateFile) peak() uint64 {
	most := uint64(0)
	for _, s := range l.steps {
		most = max(most, s.rate)
	}
	return most
}

// Holds implements Holder.
func (l *RateFile) Holds(smallest int) uint64 { return held(l.peak(), smallest, l.Delay) }

// load implements loader.
func (l *RateFile) load(data []byte) error {
	line := 0
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // a spreadsheet's mark of UTF-8
	for len(data) > 0 {
		var text []byte
		text, data, _ = bytes.Cut(data, []byte{'\n'})
		line++
		if err := l.line(strings.TrimSpace(string(text))); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
	switch {
	case len(l.steps) == 0:
		return fmt.Errorf("no rate: write lines like \"0s,20mbit\"")
	case l.peak() == 0:
		return fmt.Errorf("no rate above 0: nothing would ever be sent")
	}
	l.sum()
	return nil
}

// sum computes what a period sends.
func (l *RateFile) sum() {
	for i, s := range l.steps {
		end := l.period
		if i+1 < len(l.steps) {
			end = l.steps[i+1].at
		}
		if end > s.at {
			l.round = l.round.add(product(s.rate, uint64(end-s.at)))
		}
	}
}

// cell is a value of a line without the quotes that a spreadsheet may put around it.
func cell(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	return s
}

func (l *RateFile) line(text string) error {
	at, rate, ok := strings.Cut(text, ",")
	at, rate = cell(at), cell(rate)
	switch {
	case text == "" || text[0] == '#' || len(l.steps) == 0 && at == "time" && rate == "rate":
		return nil
	case !ok:
		return fmt.Errorf("%.40q: want TIME,RATE, for example \"1.5s,20mbit\"", text)
	case l.period > 0:
		return fmt.Errorf("%.40q comes after \"loop\", which must be the last line", text)
	}
	d, err := tc.ParseTime(at)
	switch {
	case err != nil && at != "" && strings.Trim(at, "0123456789.") == "":
		return fmt.Errorf("time %q has no unit: write %ss if it is in seconds, or %sms", at, at, at)
	case err != nil:
		return err
	}
	t := pkt.Time(d)
	switch n := len(l.steps); {
	case n == 0 && t != 0:
		return fmt.Errorf("the first time is %s: begin with 0s", at)
	case n > 0 && t <= l.steps[n-1].at:
		return fmt.Errorf("%s is not after the line before: times must increase", at)
	case n > 0 && rate == "loop":
		l.period = t
		return nil
	}
	r, err := tc.ParseRate(rate)
	if err != nil {
		return err
	}
	l.steps = append(l.steps, rateStep{t, r})
	return nil
}
