package mac80211

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/tc"
)

// defaultWeight is in µs, maxWeight what nl80211 holds.
const defaultWeight, maxWeight = 256, 65535

// maxSpan bounds the options that are times.
const maxSpan = 1000 * time.Second

func (q *Qdisc) options() tc.Options {
	unfair := func() bool { return !q.fair }
	unlimited := func() bool { return !q.aql }
	return tc.Options{
		tc.Count("limit", &q.limit, 1, 1<<31-1, "p", "packets queued for all stations before the longest flow is cut (8192)"),
		tc.Count("flows", &q.nflows, 1, 65536, "", "flows that all queues share (4096)"),
		tc.Count("quantum", &q.quantum, 1, 1<<20, "", "bytes a flow may send per round (300)"),
		q.TargetOption(), q.IntervalOption(),
		tc.Size("memory_limit", &q.memoryLimit, 1, 1<<31-1, "bytes of packet memory (16Mb)"),
		q.ECNOption(),
		tc.Count("drop_batch", &q.dropBatch, 1, 1<<31-1, "", "packets dropped at once on overflow (32)"),
		tc.Flag("slow", &q.slow, "target 50ms, interval 300ms, no ECN for slow stations, as before Linux 6.15"),
		tc.Flag("airtime", &q.fair, "turns by airtime instead of one for each"),
		tc.Values("weight", "NUMBER ...", "airtime a round in us, of all or of each station (256)", q.readWeights, q.weightField).HiddenIf(unfair),
		tc.Time("keep", &q.keep, maxSpan, "how long an idle station stays to pay its debt; 0 as before Linux 6.1 (100ms)").HiddenIf(unfair),
		tc.Flag("aql", &q.aql, "limit the airtime of what the link has queued"),
		tc.Time("aql_low", &q.low, maxSpan, "a station's limit in a category (5ms)").HiddenIf(unlimited),
		tc.Time("aql_high", &q.high, maxSpan, "the limit while all have less than aql_threshold (12ms)").HiddenIf(unlimited),
		tc.Time("aql_threshold", &q.threshold, maxSpan, "airtime queued for all stations (24ms)").HiddenIf(unlimited),
		tc.Time("aql_multicast", &q.multicast, maxSpan, "limit of group-addressed packets (50ms)").HiddenIf(unlimited),
	}
}

// readWeights reads as many numbers as there are.
func (q *Qdisc) readWeights(words []string) (used int, err error) {
	var ws []int
	for _, w := range words {
		n, err := strconv.Atoi(w)
		if err != nil {
			break
		}
		if n < 1 || n > maxWeight {
			return 0, fmt.Errorf("want 1 to %d", maxWeight)
		}
		ws = append(ws, n)
	}
	if len(ws) == 0 {
		return 0, fmt.Errorf("want one NUMBER of us for all stations, or one for each in their order")
	}
	q.weights = ws
	return len(ws), nil
}

// weight is the i-th station's. One that has none is as most are.
func (q *Qdisc) weight(i int) int {
	switch {
	case len(q.weights) == 1:
		return q.weights[0]
	case i < len(q.weights):
		return q.weights[i]
	}
	return defaultWeight
}

// weightField shows one weight if all are the same.
func (q *Qdisc) weightField() tc.Field {
	same := true
	words := make([]string, len(q.weights))
	for i, w := range q.weights {
		same = same && w == q.weights[0]
		words[i] = strconv.Itoa(w)
	}
	if same {
		return tc.Field{Key: "weight", Num: int64(q.weight(0))}
	}
	return tc.Field{Key: "weight", Value: q.weights, Text: strings.Join(words, " ")}
}
