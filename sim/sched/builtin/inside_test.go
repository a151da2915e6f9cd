package builtin

import (
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// TestClassCounters holds what classes count, as "tc -s" of the qdiscs in them, to
// what came out and what was dropped: every packet belongs to one class.
func TestClassCounters(t *testing.T) {
	for spec, own := range map[string][]pkt.Reason{ // reasons of drops that are the parent's own
		"prio [pfifo limit 9] [fq_codel limit 5] [sfq limit 20]":                 nil,
		"prio bands 2 priomap 0 1 0 1 0 1 0 [drr classes 3 [codel limit 9]]":     nil,
		"drr classes 5 [pfifo limit 4] [red limit 20k avpkt 1000 probability 1]": nil,
		"tbf rate 6mbit burst 1200 limit 20k":                                    {pkt.TooLong},
		"tbf rate 6mbit burst 10k limit 20k [fq_codel limit 9]":                  {pkt.TooLong},
		"red limit 60k min 2k max 20k avpkt 500 burst 9 [pfifo limit 12]":        {pkt.AQM},
	} {
		var bytes, packets, drops int64
		s, err := New(spec, sched.Env{Seed: 1, Drop: func(_ pkt.Time, _ *pkt.Packet, why pkt.Reason) {
			for _, r := range own {
				if why == r {
					return
				}
			}
			drops++
		}})
		if err != nil {
			t.Fatal(err)
		}
		for i, call := range script(2) {
			if call.p != nil {
				call.p.Arrival, call.p.Segs = call.at, uint16(1+i%3)
				s.Enqueue(call.at, call.p)
			} else if p := s.Dequeue(call.at); p != nil {
				packets += int64(p.Segs)
				bytes += int64(p.Len)
			}
		}
		got := map[string]int64{}
		for _, in := range s.(sched.Classful).Inside() {
			for _, f := range in.Stats {
				got[f.Key] += f.Num
			}
		}
		if got["bytes"] != bytes || got["packets"] != packets || got["drops"] != drops || packets == 0 || drops == 0 {
			t.Errorf("%s: classes sent %d bytes, %d packets and dropped %d; it was %d, %d, %d", spec, got["bytes"], got["packets"], got["drops"], bytes, packets, drops)
		}
	}
}
