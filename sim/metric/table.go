package metric

import (
	"fmt"
	"slices"
	"strings"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/tc"
)

// Metric is one number of a run, or of the packets of some flows.
type Metric struct {
	Name string
	Unit Unit
	// Help is what it counts.
	Help string
	// Inside marks what only a whole qdisc has, not a flow.
	Inside bool

	// get has why there is no value, or "".
	get func(*report.Run) (v float64, why string)
}

// table is every metric that a run has whatever its qdisc.
var table = slices.Concat([]Metric{
	{"arrived", Packets, "packets that arrived; a super-packet is one, unless it was split", false, count(func(r *report.Run) uint64 { return r.ArrivedPackets })},
	{"arrived_bytes", Bytes, "their bytes", false, count(func(r *report.Run) uint64 { return r.ArrivedBytes })},
	{"delivered", Packets, "packets that came out of the link, counted as arrived", false, count(func(r *report.Run) uint64 { return r.Delivered })},
	{"packets", Packets, "packets that the qdisc let go, as tc counts them: a super-packet is its segments", false, count(func(r *report.Run) uint64 { return r.Packets })},
	{"bytes", Bytes, "their bytes, as tc counts them", false, count(func(r *report.Run) uint64 { return r.Bytes })},
	{"drops", Packets, "packets dropped for whatever reason, lost on the link too", false, count(func(r *report.Run) uint64 { return r.Dropped })},
	{"loss", Ratio, "drops as a share of arrived: 0.01 or 1%", false, loss},
	{"marks", Packets, "packets marked CE", false, count(func(r *report.Run) uint64 { return r.Marks })},
	{"duplicated", Packets, "copies that the link made", false, count(func(r *report.Run) uint64 { return r.Duplicated })},
	{"corrupted", Packets, "packets delivered with changed bits", false, count(func(r *report.Run) uint64 { return r.Corrupted })},
	{"reordered", Packets, "packets delivered after one that left later", false, count(func(r *report.Run) uint64 { return r.Reordered })},
	{"throughput", Rate, "bytes delivered over the duration of the run", false, always(func(r *report.Run) float64 { return r.Throughput })},
	{"sojourn_mean", Time, "time in the qdisc of the packets it let go: the average", false, sojourn(func(q *report.Quantiles) *float64 { return q.Mean })},
	{"sojourn_p50", Time, "... what half of them do not exceed", false, sojourn(func(q *report.Quantiles) *float64 { return q.P50 })},
	{"sojourn_p95", Time, "... what 95% of them do not exceed", false, sojourn(func(q *report.Quantiles) *float64 { return q.P95 })},
	{"sojourn_p99", Time, "... what 99% of them do not exceed", false, sojourn(func(q *report.Quantiles) *float64 { return q.P99 })},
	{"sojourn_max", Time, "... the longest", false, sojourn(func(q *report.Quantiles) *float64 { return q.Max })},
	{"max_qlen", Packets, "the most packets queued at a time", false, always(func(r *report.Run) float64 { return float64(r.MaxQlen) })},
	{"jain", Ratio, "Jain's index over the bytes delivered of each flow: 1 is even", false, jain},
	{"flow_count", Ratio, "how many flows arrived", false, flowCount},
	{"qlen", Packets, "packets left in the qdisc at the end", true, always(func(r *report.Run) float64 { return float64(r.Qlen) })},
	{"backlog", Bytes, "bytes left in the qdisc at the end", true, always(func(r *report.Run) float64 { return float64(r.Backlog) })},
	{"duration", Time, "from the first arrival to the last event", true, always(func(r *report.Run) float64 { return r.DurationUs })},
}, byReason("drops", "dropped", func(r *report.Run) map[string]uint64 { return r.DropsByReason }),
	byReason("marks", "marked", func(r *report.Run) map[string]uint64 { return r.MarksByReason }))

// Metrics lists the metrics that every run has. The list is the caller's.
func Metrics() []Metric { return slices.Clone(table) }

func always(get func(*report.Run) float64) func(*report.Run) (float64, string) {
	return func(r *report.Run) (float64, string) { return get(r), "" }
}

func count(get func(*report.Run) uint64) func(*report.Run) (float64, string) {
	return always(func(r *report.Run) float64 { return float64(get(r)) })
}

func loss(r *report.Run) (float64, string) {
	if r.ArrivedPackets == 0 {
		return 0, "no packet arrived"
	}
	return float64(r.Dropped) / float64(r.ArrivedPackets), ""
}

// flowCount and jain have no value where a report lost count of the flows: that of
// those it counted would pass for that of all.
func flowCount(r *report.Run) (float64, string) {
	if r.MoreFlows {
		return 0, fmt.Sprintf("more flows arrived than the %d that are told apart", report.MaxFlows)
	}
	return float64(r.FlowCount), ""
}

func jain(r *report.Run) (float64, string) {
	if _, why := flowCount(r); why != "" {
		return 0, why
	}
	if r.Jain == nil {
		return 0, "nothing was delivered"
	}
	return *r.Jain, ""
}

// sojourn has no value where no packet left.
func sojourn(get func(*report.Quantiles) *float64) func(*report.Run) (float64, string) {
	return func(r *report.Run) (float64, string) {
		if v := get(&r.Sojourn); v != nil {
			return *v, ""
		}
		return 0, "no packet left the qdisc"
	}
}

// byReason is a metric for every reason a packet can be dropped or marked for.
func byReason(name, done string, of func(*report.Run) map[string]uint64) (ms []Metric) {
	for _, reason := range pkt.Reasons() {
		word := reason.String()
		ms = append(ms, Metric{
			Name: name + "_" + key(word), Unit: Packets, Help: "packets " + done + " for the reason " + word,
			get: always(func(r *report.Run) float64 { return float64(of(r)[word]) }),
		})
	}
	return ms
}

// key is a key of tc's JSON as a name: dualpi2 has dashes in its.
func key(s string) string { return strings.ReplaceAll(s, "-", "_") }

// statUnits are the units of what schedulers count, where it is not a plain
// number and its name does not end in _us or _bytes.
var statUnits = map[string]Unit{
	"delay": Time, "delay_c": Time, "delay_l": Time, "ldelay": Time, "drop_next": Time, "blue_timer": Time,
	"memory_used": Bytes, "max_memory_used": Bytes, "memory_limit": Bytes, "deficit": Bytes,
	"bytes": Bytes, "threshold_rate": Rate, "capacity_estimate": Rate,
}

// StatUnit is the unit of a scheduler's own counter.
func StatUnit(name string) Unit {
	switch {
	case strings.HasSuffix(name, "_us"):
		return Time
	case strings.HasSuffix(name, "_bytes"):
		return Bytes
	}
	return statUnits[name]
}

// stat finds a number among those of tc's JSON.
func stat(m map[string]any, name string) (v float64, ok bool) {
	for k, x := range m {
		if key(k) == name {
			v, ok = toNumber(x)
			if StatUnit(name) == Rate {
				v *= 8 // from bytes a second
			}
			return v, ok
		}
	}
	return 0, false
}

func toNumber(x any) (float64, bool) {
	switch x := x.(type) {
	case int64:
		return float64(x), true
	case int:
		return float64(x), true
	case uint64:
		return float64(x), true
	case float64:
		return x, true
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// statNames are the names of all numbers of tc's JSON.
func statNames(m map[string]any) (names []string) {
	for k, x := range m {
		if _, ok := toNumber(x); ok {
			names = append(names, key(k))
		}
	}
	slices.Sort(names)
	return names
}

// suggest ends an error about an unknown name with those like it, at most four:
// nearly the same, with a word in common, or else with one in another form.
func suggest(name string, known []string) string {
	var like []string
	if n := tc.Nearest(name, known); n != "" {
		like = append(like, n)
	}
	add := func(same func(a, b string) bool) {
		for _, k := range known {
			if len(like) < 4 && sharesWord(name, k, same) && !slices.Contains(like, k) {
				like = append(like, k)
			}
		}
	}
	add(func(a, b string) bool { return len(a) > 2 && a == b })
	if len(like) == 0 { // dropped, drops
		add(func(a, b string) bool { return len(a) > 3 && len(b) > 3 && a[:4] == b[:4] })
	}
	if len(like) == 0 {
		return "there are " + list(known)
	}
	return "did you mean " + list(like) + "?"
}

// list joins names with commas, the last with or.
func list(names []string) string {
	const most = 12
	switch n := len(names); {
	case n == 0:
		return "none"
	case n == 1:
		return names[0]
	case n > most:
		return strings.Join(names[:most], ", ") + ", ..."
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// sharesWord says whether a word of one name is the same as one of the other.
func sharesWord(a, b string, same func(a, b string) bool) bool {
	words := strings.Split(b, "_")
	return slices.ContainsFunc(strings.Split(a, "_"), func(w string) bool {
		return slices.ContainsFunc(words, func(v string) bool { return same(w, v) })
	})
}
