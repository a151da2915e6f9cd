package explain

import (
	"fmt"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// summarise says it in a paragraph: what happened, why, and where the time went.
func (x *Explanation) summarise() {
	b := &strings.Builder{}
	fmt.Fprintf(b, "packet %d (%s, %d bytes) arrived at %v ", x.Packet, x.Flow, x.Len, x.Arrival)
	wait := span(int64(x.Decided - x.Arrival))
	switch {
	case x.Uplink:
		fmt.Fprintf(b, "at a station of the link, which sent it past the scheduler: it was %s at %v", x.Fate, x.End)
	case x.Fate == Undecided:
		fmt.Fprintf(b, "and was still queued when the run ended %s later", wait)
	case x.Fate == Dropped && x.reason == pkt.LinkLoss:
		fmt.Fprintf(b, "and was lost on the link (link_loss) at %v, %s after %s let it go", x.End, span(int64(x.End-x.Decided)), x.scheduler())
	case x.Fate == Dropped && x.Decided == x.Arrival:
		fmt.Fprintf(b, "and was dropped (%s) by %s at once, because %s", x.Reason, x.scheduler(), x.because(x.reason))
	case x.Fate == Dropped:
		fmt.Fprintf(b, "and was dropped (%s) by %s at %v, after %s in the queue, because %s", x.Reason, x.scheduler(), x.Decided, wait, x.because(x.reason))
	default:
		fmt.Fprintf(b, "and was delivered at %v, %s later, of which it spent %s in the queue", x.End, span(x.Split.Total), wait)
	}
	switch {
	case x.mark == pkt.LinkLoss:
		b.WriteString("; the link marked it instead of losing it")
	case x.mark != pkt.NoReason:
		fmt.Fprintf(b, "; %s marked it (%s) because %s", x.scheduler(), x.Mark, x.because(x.mark))
	}
	b.WriteString(". " + x.mostly())
	x.Summary = b.String()
}

// mostly names the largest part of the time, or those that are.
func (x *Explanation) mostly() string {
	s := &x.Split
	if s.Total == 0 {
		return "It took no time."
	}
	var words []string
	most := int64(0)
	for _, part := range s.parts() {
		switch {
		case part.ns > most:
			words, most = []string{part.words}, part.ns
		case part.ns == most:
			words = append(words, part.words)
		}
	}
	time, share := span(most), (most*100+s.Total/2)/s.Total
	switch {
	case len(words) > 1:
		return fmt.Sprintf("The largest parts of that time, %s (%d%%) each: %s.", time, share, strings.Join(words, "; "))
	case most > s.Total-most:
		return fmt.Sprintf("Most of that time, %s (%d%%), %s.", time, share, words[0])
	}
	return fmt.Sprintf("The largest part of that time, %s (%d%%): %s.", time, share, words[0])
}

// scheduler is the scheduler's name.
func (x *Explanation) scheduler() string {
	if len(x.State.Arrival) == 0 {
		return "the scheduler"
	}
	return x.State.Arrival[0].Name
}

// span prints a span as people read it, to the microsecond where it is long.
func span(ns int64) string {
	d := time.Duration(ns)
	if d >= time.Millisecond || d <= -time.Millisecond {
		d = d.Round(time.Microsecond)
	}
	return d.String()
}

// because words the reason for a drop or mark.
func (x *Explanation) because(why pkt.Reason) string {
	switch why {
	case pkt.Overlimit:
		return x.full("limit_packets", "packets", "packets", 1) + x.cut()
	case pkt.Overmemory:
		return x.full("limit_memory_bytes", "memory_bytes", "bytes of memory", 0) + x.cut()
	case pkt.AQM:
		return x.law()
	case pkt.Threshold:
		return x.threshold()
	case pkt.AckFilter:
		return fmt.Sprintf("packet %d, a later acknowledgement of its flow, made it redundant", x.trigger)
	case pkt.TooLong:
		for i := range x.State.Before {
			if f, ok := x.State.Before[i].field("longest_packet_bytes"); ok {
				return fmt.Sprintf("it has %d bytes, and %s passes no more than %d", x.Len, x.State.Before[i].Name, f.num)
			}
		}
	}
	return "the scheduler says no more than " + why.String()
}

// full names the part of the scheduler that had reached its limit.
func (x *Explanation) full(limit, has, unit string, room int64) string {
	for i := range x.State.Before {
		l := &x.State.Before[i]
		max, ok := l.field(limit)
		held, ok2 := l.field(has)
		if ok && ok2 && held.num+room > max.num {
			return fmt.Sprintf("%s held %d %s, of at most %d", l.Name, held.num, unit, max.num)
		}
		max, ok = l.field("limit_bytes")
		held, ok2 = l.field("bytes")
		if ok && ok2 && held.num+int64(x.Len) > max.num {
			return fmt.Sprintf("%s held %d bytes, of at most %d", l.Name, held.num, max.num)
		}
	}
	if !x.triggered || x.trigger == x.Packet {
		return "a limit was reached"
	}
	for i := range x.State.Before {
		l := &x.State.Before[i]
		max, ok := l.field(limit)
		if held, ok2 := l.field(has); ok && ok2 {
			return fmt.Sprintf("%s held %d %s, of at most %d, which the arrivals at that instant exceeded", l.Name, held.num, unit, max.num)
		}
	}
	return "the arrivals at that instant exceeded a limit"
}

// cut tells of a packet that had to go for another one.
func (x *Explanation) cut() string {
	if !x.triggered || x.trigger == x.Packet {
		return ""
	}
	return fmt.Sprintf(", packet %d arrived, and the queue of this one was the longest: it was number %d cut from it", x.trigger, x.alike+1)
}

// law words the decision of a control law by the state around it.
func (x *Explanation) law() string {
	before, after := lawful(x.State.Before), lawful(x.State.After)
	if before == nil || after == nil {
		return "its control law chose it"
	}
	switch before.Law {
	case "codel":
		return x.codel(before)
	case "cobalt":
		return x.cobalt(before)
	case "pie":
		return fmt.Sprintf("pie signals with probability %s: its last update saw a delay of %s, for a target of %s",
			after.text("probability"), after.text("delay_ns"), after.text("target_ns"))
	case "pi2":
		return fmt.Sprintf("the %s has a signal probability of %s", before.Name, after.text("probability"))
	case "red":
		return red(after)
	}
	return "its control law, " + before.Law + ", chose it"
}

// lawful is the innermost layer with a control law.
func lawful(ls []Layer) *Layer {
	for i := len(ls) - 1; i >= 0; i-- {
		if ls[i].Law != "" {
			return &ls[i]
		}
	}
	return nil
}

func (l *Layer) text(key string) string {
	if f, ok := l.field(key); ok {
		if strings.HasSuffix(key, "_ns") {
			return span(f.num)
		}
		return f.text
	}
	return "unknown"
}

func (l *Layer) num(key string) int64 {
	f, _ := l.field(key)
	return f.num
}

func (x *Explanation) codel(l *Layer) string {
	also := ""
	if x.Fate == Dropped && x.alike > 0 {
		also = fmt.Sprintf(" (and %d dropped at that instant before it)", x.alike)
	}
	if l.num("dropping") == 1 {
		return fmt.Sprintf("codel in %s was in its dropping state with count %d%s, and its next signal was due %s before",
			l.Name, l.num("count"), also, span(-l.num("next_drop_in_ns")))
	}
	return fmt.Sprintf("the delay in %s had been above the target of %s for %s, more than the interval of %s: codel entered its dropping state%s",
		l.Name, l.text("target_ns"), l.text("above_for_ns"), l.text("interval_ns"), also)
}

func (x *Explanation) cobalt(l *Layer) string {
	var why []string
	if next, ok := l.field("next_drop_in_ns"); ok && next.num <= 0 && l.num("dropping") == 1 {
		why = append(why, fmt.Sprintf("the delay in %s was above the target of %s, and codel's signal %d was due %s before",
			l.Name, l.text("target_ns"), l.num("count"), span(-next.num)))
	}
	if l.num("blue_probability") > 0 {
		why = append(why, "blue dropped with probability "+l.text("blue_probability"))
	}
	if len(why) == 0 {
		return fmt.Sprintf("the delay in %s was above the target of %s for longer than codel allows", l.Name, l.text("target_ns"))
	}
	return strings.Join(why, ", and ")
}

func red(l *Layer) string {
	avg, least, most := l.num("average_bytes"), l.num("min_bytes"), l.num("max_bytes")
	if avg >= most {
		return fmt.Sprintf("red's average queue of %d bytes is not below max, %d: every packet is signalled", avg, most)
	}
	return fmt.Sprintf("red's average queue of %d bytes is between min, %d, and max, %d: it was chosen by chance", avg, least, most)
}

// threshold words a mark by delay alone.
func (x *Explanation) threshold() string {
	for i := len(x.State.Before) - 1; i >= 0; i-- {
		if l := &x.State.Before[i]; l.num("ce_threshold_ns") > 0 {
			return fmt.Sprintf("it had waited %s, longer than the threshold of %s", span(int64(x.Decided-x.Arrival)), l.text("ce_threshold_ns"))
		}
	}
	return "the queue was beyond the marking threshold"
}
