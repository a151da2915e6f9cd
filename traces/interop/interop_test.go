package interop_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/interop"
	"github.com/uqtool/uq/traces/interop/interoptest"
)

// TestFromTrace prints the events of small traces.
func TestFromTrace(t *testing.T) {
	datadriven.RunTest(t, "testdata/fromtrace", func(t *testing.T, d *datadriven.TestData) string {
		var l interoptest.List
		interoptest.Text(t, "uq-trace-text 1\nheader {\"link_header\":14}\n"+d.Input+"\nend {\"clean\":true}\n", &l)
		return print(&l)
	})
}

func print(l *interoptest.List) string {
	var b strings.Builder
	for _, e := range l.Events {
		fmt.Fprintf(&b, "%v %s %d size %d %s", e.Time, interop.KindName(e.Kind), e.ID, e.Size, pkt.ECN(e.Record.DSField&3))
		if e.Reason != pkt.NoReason {
			fmt.Fprintf(&b, " %v", e.Reason)
		}
		if e.Leaves {
			fmt.Fprintf(&b, " leaves after %v", e.Sojourn())
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "end %v\n", l.End)
	return b.String()
}

// runs are simulations of every kind of event.
var runs = []struct{ trace, qdisc, link string }{
	{"mix.zst", "pfifo limit 50", "rate 20mbit delay 10ms"},
	{"mix.zst", "fq_codel", "rate 10mbit delay 5ms 2ms loss 1% duplicate 1% corrupt 1%"},
	{"ecn.zst", "fq_codel ecn", "rate 10mbit"},
	{"ecn.zst", "pfifo", "rate 10mbit loss 2% ecn"},
	{"mix.zst", "mac80211", "wifi ht20 sta 10.0.1.2 mcs7 sta 10.0.2.2 mcs3"},
	{"udp.zst", "cake bandwidth 10mbit", "unlimited"},
}

// TestStories holds that events are in order of time, that each packet arrives
// once, leaves the queue at most once and ends once.
func TestStories(t *testing.T) {
	for _, c := range runs {
		t.Run(c.qdisc+" "+c.link, func(t *testing.T) {
			var l interoptest.List
			interoptest.Simulate(t, c.trace, c.qdisc, c.link, &l)
			stories(t, &l)
		})
	}
}

func stories(t *testing.T, l *interoptest.List) {
	t.Helper()
	type story struct{ arrived, left, ended, copies int }
	all := map[uint64]*story{}
	last, inside := pkt.Time(0), 0
	for i, e := range l.Events {
		if e.Time < last {
			t.Fatalf("event %d at %v after one at %v", i, e.Time, last)
		}
		last = e.Time
		s := all[e.ID]
		if s == nil {
			if s = new(story); e.Kind != egress.Enqueue && e.Kind != egress.Uplink {
				t.Fatalf("event %d: %s of packet %d before it arrived", i, interop.KindName(e.Kind), e.ID)
			}
			all[e.ID] = s
		}
		switch e.Kind {
		case egress.Uplink:
			s.arrived++
			if e.Leaves || !e.Up {
				t.Fatalf("event %d: an uplink packet in the queue", i)
			}
		case egress.Enqueue:
			s.arrived++
			inside++
		case egress.Duplicate:
			s.copies++
		}
		if e.Leaves {
			s.left++
			if inside--; inside < 0 {
				t.Fatalf("event %d: more packets left than arrived", i)
			}
		}
		if e.Last() {
			s.ended++
		}
	}
	for id, s := range all {
		if s.arrived != 1 || s.left > 1 || s.ended != 1+s.copies {
			t.Fatalf("packet %d: %+v", id, *s)
		}
	}
	if len(all) < 5000 || l.End < last {
		t.Errorf("%d packets, end %v", len(all), l.End)
	}
}

// TestSameThroughTrace holds that a trace of a simulation's decisions tells the
// events of the simulation.
func TestSameThroughTrace(t *testing.T) {
	for _, c := range runs {
		if strings.Contains(c.link, "duplicate") || strings.Contains(c.link, "wifi") {
			continue // a trace has no copies, and no two sides
		}
		t.Run(c.qdisc, func(t *testing.T) {
			var direct, through interoptest.List
			interoptest.Simulate(t, c.trace, c.qdisc, c.link, &direct)
			f := interop.NewFromTrace(&through, traces.Header{LinkHeader: 14})
			for _, e := range inOrder(direct.Events) {
				rec := *e.Record
				if rec.Verdict == traces.MarkCE {
					rec.DSField = rec.DSField&^3 | uint8(pkt.ECT0) // as it arrived
				}
				if err := f.Append(&rec); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.Close(traces.End{}); err != nil {
				t.Fatal(err)
			}
			a, b := sorted(&direct), sorted(&through)
			for i := range min(len(a), len(b)) {
				if a[i] != b[i] {
					t.Fatalf("event %d: %s, through a trace %s", i, a[i], b[i])
				}
			}
			if len(a) != len(b) {
				t.Errorf("%d events, through a trace %d", len(a), len(b))
			}
		})
	}
}

// inOrder are the last events of each packet, in order of arrival.
func inOrder(all []interop.Event) (last []interop.Event) {
	for _, e := range all {
		if e.Last() {
			last = append(last, e)
		}
	}
	slices.SortFunc(last, func(a, b interop.Event) int { return cmp.Compare(a.ID, b.ID) })
	return last
}

// sorted are a list's events in words, those of the same time by packet.
func sorted(l *interoptest.List) []string {
	events := slices.Clone(l.Events)
	slices.SortStableFunc(events, func(a, b interop.Event) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Kind, b.Kind))
	})
	var s []string
	for _, e := range events {
		s = append(s, fmt.Sprintf("%v %s %d size %d %v %v", e.Time, interop.KindName(e.Kind), e.ID, e.Size, e.Reason, e.Leaves))
	}
	return s
}

// TestPendingBounded holds that a trace whose packets all stay to its end costs
// no more memory than MaxPending events.
func TestPendingBounded(t *testing.T) {
	n := &counter{}
	f := interop.NewFromTrace(n, traces.Header{})
	r := traces.Record{Segs: 1, Len: 100, Verdict: traces.Accept, Due: 1 << 40, Dequeued: traces.NoTime, VerdictTime: traces.NoTime}
	const extra = 1000
	for i := range interop.MaxPending + extra {
		r.Time = pkt.Time(i)
		if err := f.Append(&r); err != nil {
			t.Fatal(err)
		}
	}
	if n.delivered != extra {
		t.Errorf("%d told of early, want %d", n.delivered, extra)
	}
	if err := f.Close(traces.End{}); err != nil || n.delivered != interop.MaxPending+extra {
		t.Errorf("%d delivered, %v", n.delivered, err)
	}
}

// counter counts deliveries and holds that time does not run back.
type counter struct {
	delivered int
	last      pkt.Time
}

func (c *counter) Event(e *interop.Event) error {
	if e.Time < c.last {
		return fmt.Errorf("%v after %v", e.Time, c.last)
	}
	c.last = e.Time
	if e.Kind == egress.Deliver {
		c.delivered++
	}
	return nil
}

func (c *counter) Close(pkt.Time) error { return nil }
