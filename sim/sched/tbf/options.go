package tbf

import (
	"fmt"
	"time"

	"github.com/uqtool/uq/sim/tc"
)

const maxBytes = 1<<31 - 1

// maxLatency keeps the limit that follows from it sensible.
const maxLatency = time.Hour

// options has every word tc knows, in the order tc prints those it prints; the
// others' fields are hidden.
func (q *Qdisc) options() tc.Options {
	burst := tc.SizeCell("burst", &q.burst, 1, maxBytes, "size of the bucket; required")
	mtu := tc.SizeCell("mtu", &q.mtu, 1, maxBytes, "size of the peak rate's bucket")
	latency := tc.Time("latency", &q.latency, maxLatency, "longest time to wait for tokens; this or limit is required")
	none := func(v *int) func() bool { return func() bool { return *v == 0 } }
	return tc.Options{
		inBytes(tc.Rate("rate", &q.rate, "rate that the bucket fills at; required")),
		burst, burst.As("buffer"), burst.As("maxburst"),
		tc.Size("mpu", &q.mpu, 0, 1<<16-1, "least bytes a packet costs (0)").HiddenIf(none(&q.mpu)),
		inBytes(tc.Rate("peakrate", &q.peakrate, "rate that the bucket empties at, at most")),
		mtu.Shown(asMinburst).HiddenIf(none(&q.mtu)), mtu.As("minburst"),
		latency.Shown(q.lat), latency.As("lat"),
		tc.Size("limit", &q.limit, 0, maxBytes, "bytes that may wait for tokens").HiddenIf(func() bool { return q.latency > 0 }),
		tc.Int("overhead", &q.overhead, 0, 1<<16-1, "bytes added to each packet (0)"),
		tc.Values("linklayer", "TYPE", "ethernet, or atm (adsl) to count in cells", q.readLinkLayer, func() tc.Field {
			return tc.Field{Key: "linklayer", Value: "atm", Text: "atm", Hidden: !q.atm}
		}),
	}
}

// inBytes has machines read bytes per second, as tc's JSON.
func inBytes(o tc.Option) tc.Option {
	return o.Shown(func(f tc.Field) tc.Field {
		f.Num /= 8
		return f
	})
}

// asMinburst has the field under the name that tc prints.
func asMinburst(f tc.Field) tc.Field {
	f.Key = "minburst"
	return f
}

// lat is the field that tc prints for a latency: for people as it was given, for
// machines as it follows from the limit.
func (q *Qdisc) lat(f tc.Field) tc.Field {
	f.Key, f.Num, f.Hidden = "lat", q.maxLatency(), q.latency == 0
	return f
}

func (q *Qdisc) readLinkLayer(words []string) (used int, err error) {
	if len(words) > 0 {
		switch words[0] {
		case "ethernet", "atm", "adsl":
			q.atm = words[0] != "ethernet"
			return 1, nil
		}
	}
	return 0, fmt.Errorf("want ethernet, atm or adsl")
}

// Options implements sched.Describer.
func (q *Qdisc) Options() []tc.Field { return q.options().Fields() }
