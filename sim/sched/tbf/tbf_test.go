package tbf

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/fifo"
	"github.com/uqtool/uq/sim/sched/prio"
)

func kinds() sched.Kinds {
	return sched.Kinds{
		{Name: "tbf", Children: 1, New: New},
		{Name: "bfifo", New: fifo.NewBytes},
		{Name: "pfifo", New: fifo.NewPackets},
		{Name: "prio", Children: 16, New: prio.New},
	}
}

func make1(t *testing.T, spec string, drop sched.DropFunc) *Qdisc {
	t.Helper()
	s, err := kinds().New(spec, sched.Env{Drop: drop})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Qdisc)
}

var flow = &pkt.Flow{}

// TestRate checks that over ten seconds a backlogged tbf sends its rate to within
// a packet, asked only when it says: at rates that do not divide a second, with
// packets whose time is no whole number of nanoseconds.
func TestRate(t *testing.T) {
	for _, c := range []struct {
		spec  string
		bytes int     // per packet
		want  float64 // bytes that count per second
	}{
		{"tbf rate 1mbit burst 2k limit 1g", 1514, 125000},
		{"tbf rate 20mbit burst 10kb limit 1g", 1514, 2500000},
		{"tbf rate 333333bit burst 2k limit 1g", 999, 41666},
		{"tbf rate 7mbit burst 100 limit 1g", 77, 875000},
		{"tbf rate 1gbit burst 2k limit 1g", 1514, 125e6},
		{"tbf rate 10gbit burst 2k limit 1g", 1514, 1250e6},
		{"tbf rate 10gbit burst 1514 limit 1g", 1514, 1250e6}, // room for one only
		{"tbf rate 9gbit burst 100k limit 1g peakrate 9999999992bit mtu 1514", 1514, 1125e6},
		{"tbf rate 20mbit burst 100k limit 1g peakrate 50mbit mtu 1540", 1514, 2500000},
		{"tbf rate 5mbit burst 2k limit 1g overhead 24 mpu 84", 60, 625000 * 60 / 84},
		{"tbf rate 5mbit burst 2k limit 1g linklayer atm", 48, 625000 * 48 / 53},
		{"tbf rate 5mbit burst 2k limit 1g linklayer atm overhead 1", 48, 625000 * 48 / 106},
	} {
		q := make1(t, c.spec, nil)
		sent, now := 0, pkt.Time(12345)
		end := now.Add(10 * time.Second)
		p := &pkt.Packet{Len: uint32(c.bytes), Flow: flow}
		for {
			q.Enqueue(now, p)
			if q.Dequeue(now) == nil {
				now = q.NextWake()
				if now > end {
					break
				}
				if q.Dequeue(now) == nil {
					t.Fatalf("%s: nothing at %v, its own time", c.spec, now)
				}
			}
			sent += c.bytes
		}
		perPacket := float64(q.cost(c.bytes)) / perByte
		burst := float64(q.full.size) / perByte / perPacket * float64(c.bytes) // sent at once
		if off := float64(sent) - burst - c.want*10; off > float64(c.bytes) || off < -float64(c.bytes)-1 {
			t.Errorf("%s: %d bytes, want %.0f and the burst of %.0f: %.1f bytes off", c.spec, sent, c.want*10, burst, off)
		}
	}
}

// TestExactTimes has the instants at which packets leave, worked out by hand:
// 8 Mbit/s are a byte a microsecond.
func TestExactTimes(t *testing.T) {
	for _, c := range []struct {
		spec string
		lens []int
		want string // departures in ns
	}{
		// The bucket of 2500 covers two packets; the third waits for 500 bytes,
		// the fourth for a whole one.
		{"tbf rate 8mbit burst 2500 limit 1m", []int{1000, 1000, 1000, 1000}, "0 0 500000 1500000"},
		// 24 bytes more each: 1024, 1024 of 2524, 548 short, then 1024.
		{"tbf rate 8mbit burst 2500 limit 1m overhead 24", []int{1000, 1000, 1000, 1000}, "0 0 548000 1572000"},
		// 64 at least.
		{"tbf rate 8mbit burst 100 limit 1m mpu 64", []int{40, 40, 70}, "0 28000 98000"},
		// 1000 bytes are 21 cells, 1113 bytes on the wire; the bucket is 53 cells.
		{"tbf rate 8mbit burst 2500 limit 1m linklayer atm", []int{1000, 1000, 1000, 1000}, "0 0 530000 1643000"},
		// The peak rate of two bytes a µs, one packet at a time.
		{"tbf rate 8mbit burst 2500 limit 1m peakrate 16mbit mtu 1000", []int{1000, 1000, 1000, 1000}, "0 500000 1000000 1500000"},
		// A third of a byte a µs: no whole ns, the remainder is kept.
		{"tbf rate 2666664bit burst 1 limit 1m", []int{1, 1, 1, 1}, "0 3001 6001 9001"},
	} {
		q := make1(t, c.spec, nil)
		for _, n := range c.lens {
			q.Enqueue(0, &pkt.Packet{Len: uint32(n), Flow: flow})
		}
		var got []string
		for now := pkt.Time(0); now != pkt.Never; {
			if q.Dequeue(now) != nil {
				got = append(got, fmt.Sprint(int64(now)))
			} else {
				now = q.NextWake()
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: left at %s, want %s", c.spec, s, c.want)
		}
	}
}

// TestIdleFillsTheBucket: no more than burst, however long the idle time.
func TestIdleFillsTheBucket(t *testing.T) {
	q := make1(t, "tbf rate 8mbit burst 3000 limit 1m", nil)
	for _, start := range []pkt.Time{0, 1e15, pkt.Horizon - 1e9} {
		for range 5 {
			q.Enqueue(start, &pkt.Packet{Len: 1000, Flow: flow})
		}
		n := 0
		for q.Dequeue(start) != nil {
			n++
		}
		if n != 3 || q.NextWake() != start+1e6 {
			t.Errorf("at %v: %d at once, the next at %v", start, n, q.NextWake())
		}
		q.Dequeue(start + 1e6)
		q.Dequeue(start + 2e6)
	}
}

// TestPeek checks what Linux's tbf does with a band of higher priority: what
// arrives there while the head waits for tokens goes first.
func TestPeek(t *testing.T) {
	q := make1(t, "tbf rate 8mbit burst 1000 limit 1m [prio]", nil)
	for id, ds := range []uint8{0, 0, 0x10} {
		q.Enqueue(0, &pkt.Packet{ID: uint64(id), Len: 1000, DSField: ds, Flow: flow})
		if id == 1 {
			q.Dequeue(0)
			if q.Dequeue(0) != nil || q.NextWake() != 1e6 {
				t.Fatalf("no wait: wakes at %v", q.NextWake())
			}
		}
	}
	if n, bytes := q.Backlog(); n != 2 || bytes != 2000 {
		t.Errorf("backlog %d packets %d bytes, want 2 and 2000", n, bytes)
	}
	if p := q.Dequeue(1e6); p == nil || p.ID != 2 {
		t.Errorf("left: %+v, want the interactive packet 2", p)
	}
}

// TestTooLong: what no bucket can ever hold is dropped on arrival.
func TestTooLong(t *testing.T) {
	for spec, longest := range map[string]int{
		"tbf rate 8mbit burst 2000 limit 1m":                           2000,
		"tbf rate 8mbit burst 2000 limit 1m overhead 100":              2000, // the bucket grows with it
		"tbf rate 8mbit burst 2000 limit 1m peakrate 9mbit mtu 1540":   1540,
		"tbf rate 8mbit burst 2000/8 limit 1m peakrate 9mbit mtu 3000": 2000,
	} {
		dropped := pkt.NoReason
		q := make1(t, spec, func(_ pkt.Time, _ *pkt.Packet, why pkt.Reason) { dropped = why })
		for _, n := range []int{longest, longest + 1} {
			dropped = pkt.NoReason
			q.Enqueue(0, &pkt.Packet{Len: uint32(n), Flow: flow})
			if (dropped == pkt.TooLong) != (n > longest) {
				t.Errorf("%s: %d bytes: %s", spec, n, dropped)
			}
		}
		if !q.SplitsGSO() {
			t.Errorf("%s: super-packets stay whole", spec)
		}
	}
	if make1(t, "tbf rate 1gbit burst 128k limit 1m", nil).SplitsGSO() {
		t.Error("super-packets are split although the bucket holds any")
	}
}

// TestSplitsInside: a shaper that needs super-packets taken apart is found at any
// depth.
func TestSplitsInside(t *testing.T) {
	for spec, want := range map[string]bool{
		"tbf rate 1mbit burst 10k limit 1m":                        true,
		"tbf rate 1mbit burst 100k limit 1m":                       false,
		"prio [pfifo] [tbf rate 1mbit burst 10k limit 1m]":         true,
		"prio [prio [tbf rate 1mbit burst 10k limit 1m]]":          true,
		"prio [prio [tbf rate 1mbit burst 100k limit 1m]] [pfifo]": false,
	} {
		s, err := kinds().New(spec, sched.Env{})
		if err != nil {
			t.Fatal(err)
		}
		if got := sched.Splits(s); got != want {
			t.Errorf("%s: %v, want %v", spec, got, want)
		}
	}
}

// TestLimits has the limit that tc works out from a latency, and the latency
// that it prints for it: those of iproute2 6.1.0.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		spec  string
		limit int
		lat   int64 // µs
	}{
		{"tbf rate 20mbit burst 10kb latency 50ms", 135240, 50000},
		{"tbf rate 20mbit burst 10kb limit 30kb peakrate 40mbit mtu 1540 mpu 64 overhead 20", 30720, 8184},
		{"tbf rate 0.5mbit burst 5kb latency 70ms peakrate 1mbit minburst 1540", 9495, 70000},
		{"tbf rate 20mbit maxburst 10kb latency 50ms peakrate 21mbit mtu 2k", 133298, 50000},
	} {
		q := make1(t, c.spec, nil)
		if q.limit != c.limit || q.maxLatency()/10 != c.lat/10 {
			t.Errorf("%s: limit %d latency %d us, want %d and %d", c.spec, q.limit, q.maxLatency(), c.limit, c.lat)
		}
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"tbf rate 20mbit burst 10kb latency 50ms":                             "tbf rate 20Mbit burst 10Kb lat 50ms",
		"tbf rate 20mbit buffer 10kb/8 lat 50ms [pfifo limit 9]":              "tbf rate 20Mbit burst 10Kb lat 50ms [pfifo limit 9p]",
		"tbf limit 30k rate 1mbit maxburst 2k mpu 64 overhead 4":              "tbf rate 1Mbit burst 2Kb mpu 64b limit 30Kb overhead 4",
		"tbf limit 30k rate 1mbit burst 2k peakrate 2mbit mtu 1540":           "tbf rate 1Mbit burst 2Kb peakrate 2Mbit minburst 1540b limit 30Kb",
		"tbf limit 30k rate 1mbit burst 2k linklayer adsl [bfifo limit 2000]": "tbf rate 1Mbit burst 2Kb limit 30Kb linklayer atm [bfifo limit 2000b]",
	} {
		q := make1(t, in, nil)
		if got := sched.Line(q); got != want {
			t.Errorf("%s prints as\n%s, want\n%s", in, got, want)
		}
		if again := sched.Line(make1(t, want, nil)); again != want {
			t.Errorf("%s reads back as %s", want, again)
		}
	}
}

func TestRefusals(t *testing.T) {
	for words, want := range map[string]string{
		"":                     "both \"rate\" and \"burst\" are required",
		"rate 1mbit":           "are required",
		"burst 10k limit 10k":  "are required",
		"rate 1mbit burst 10k": "either \"limit\" or \"latency\"",
		"rate 1mbit burst 10k limit 1k latency 1ms":             "double",
		"rate 1mbit burst 10k limit 1k peakrate 2mbit":          "\"mtu\" is required",
		"rate 1mbit burst 10k limit 1k peakrate 1mbit mtu 1540": "not above rate",
		"rate 1mbit burst 10k latency 50":                       "no unit",
		"rate 7bit burst 10k limit 1k":                          "are required",
		"rate 1mbit burst 10k limit 1k linklayer x25":           "ethernet, atm or adsl",
		"rate 1mbit bust 10k":                                   `Did you mean "burst"?`,
	} {
		if _, err := kinds().New("tbf "+words, sched.Env{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("tbf %s: %v, want %q", words, err, want)
		}
	}
}

// TestConforms checks the definition of a token bucket over random traffic: in no
// span of time does more leave than the bucket and what the rate adds meanwhile,
// for both buckets; and nothing waits that both would let go, for it leaves at the
// first nanosecond they do.
func TestConforms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.IntRange(8, 1e9).Draw(t, "bit/s") / 8 * 8
		burst := rapid.IntRange(100, 20000).Draw(t, "burst")
		peak := rate + 8 + rapid.IntRange(0, rate).Draw(t, "more at the peak")/8*8
		mtu := rapid.IntRange(100, burst).Draw(t, "mtu")
		s, err := kinds().New(fmt.Sprintf("tbf rate %dbit burst %d limit 1g peakrate %dbit mtu %d", rate, burst, peak, mtu), sched.Env{})
		if err != nil {
			t.Fatal(err)
		}
		q := s.(*Qdisc)
		type departure struct {
			at    pkt.Time
			bytes int64
		}
		var sent []departure
		now := pkt.Time(0)
		allowed := func(at pkt.Time, n int64, slack pkt.Time) bool { // the definition, over every span that ends at at
			sum := n
			for i := len(sent) - 1; ; i-- {
				if i < 0 || sum > int64(burst)+int64(mtu) && sent[i].at < at-1e15 {
					return true
				}
				sum += sent[i].bytes
				for _, b := range []struct{ rate, size int }{{rate, burst}, {peak, mtu}} {
					span := new(big.Int).Mul(big.NewInt(int64(at+slack-sent[i].at)), big.NewInt(int64(b.rate/8)))
					if span.Cmp(new(big.Int).Mul(big.NewInt(sum-int64(b.size)), big.NewInt(1e9))) < 0 {
						return false
					}
				}
			}
		}
		gap := rapid.Int64Range(0, 2*int64(burst)*8e9/int64(rate))
		for range rapid.IntRange(1, 40).Draw(t, "packets") {
			now += pkt.Time(gap.Draw(t, "gap"))
			n := rapid.IntRange(1, mtu).Draw(t, "length")
			q.Enqueue(now, &pkt.Packet{Len: uint32(n), Flow: flow})
			for waited := false; ; waited = true {
				if p := q.Dequeue(now); p == nil {
					now = q.NextWake()
					continue
				}
				if !allowed(now, int64(n), 1) { // times are rounded up, so spans may be a nanosecond short
					t.Fatalf("%d bytes at %v after %v: too soon", n, now, sent)
				}
				if waited && allowed(now-1, int64(n), 0) {
					t.Fatalf("%d bytes at %v after %v: too late", n, now, sent)
				}
				break
			}
			sent = append(sent, departure{now, int64(n)})
		}
	})
}
