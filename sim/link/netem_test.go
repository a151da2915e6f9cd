package link

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// trial is a million packets through a link, one a millisecond.
type trial struct {
	now       pkt.Time
	n         int
	delays    []time.Duration // of originals, -1 for lost ones
	lost      []bool
	copies    int
	corrupted int
	marked    int
	p, c      pkt.Packet
}

func (r *trial) Take(pkt.Time) *pkt.Packet {
	r.n++
	r.p = pkt.Packet{ID: uint64(r.n - 1), Len: 1000, Segs: 1}
	return &r.p
}

func (r *trial) Deliver(at pkt.Time, p *pkt.Packet) {
	if p.Flaws&pkt.Corrupted != 0 {
		r.corrupted++
	}
	if p.Mark == pkt.LinkLoss {
		r.marked++
	}
	if p.Flaws&pkt.Duplicated != 0 {
		r.copies++
		return
	}
	r.delays, r.lost = append(r.delays, at.Sub(r.now)), append(r.lost, false)
}

func (r *trial) Lose(_ pkt.Time, p *pkt.Packet) {
	if p.Flaws&pkt.Duplicated != 0 {
		return
	}
	r.delays, r.lost = append(r.delays, -1), append(r.lost, true)
}

func (r *trial) Duplicate(p *pkt.Packet) *pkt.Packet {
	r.c = *p
	r.c.Flaws |= pkt.Duplicated
	return &r.c
}

// manyTrials is a million, or fewer in short mode.
func manyTrials() int {
	if testing.Short() {
		return 100000
	}
	return 1000000
}

// try runs a million opportunities through "unlimited" with impairments.
func try(t *testing.T, words string) *trial {
	t.Helper()
	l, err := New("unlimited "+words, Env{Seed: 12})
	if err != nil {
		t.Fatal(err)
	}
	r := &trial{delays: make([]time.Duration, 0, manyTrials()), lost: make([]bool, 0, manyTrials())}
	for range manyTrials() {
		r.now += 1e6
		l.Transmit(r.now, r, r)
	}
	return r
}

// near fails if a count of independent events of probability p is more than
// three deviations off.
func near(t *testing.T, what string, got, of int, p float64) {
	t.Helper()
	mean, sigma := float64(of)*p, math.Sqrt(float64(of)*p*(1-p))
	if math.Abs(float64(got)-mean) > 3*sigma {
		t.Errorf("%s: %d of %d, want %.0f ± %.0f", what, got, of, mean, 3*sigma)
	}
}

// within fails if got is more than tolerance from want.
func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance || math.IsNaN(got) {
		t.Errorf("%s: %.6g, want %.6g ± %.2g", what, got, want, tolerance)
	}
}

func count(b []bool) (n int) {
	for _, x := range b {
		if x {
			n++
		}
	}
	return n
}

func share(b []bool) float64 { return float64(count(b)) / float64(len(b)) }

// runs are the lengths of runs of losses.
func runs(lost []bool) (lengths []int) {
	n := 0
	for _, x := range append(lost, false) {
		if x {
			n++
		} else if n > 0 {
			lengths = append(lengths, n)
			n = 0
		}
	}
	return lengths
}

// TestIndependent checks what happens to packets one by one.
func TestIndependent(t *testing.T) {
	for _, p := range []float64{0.0001, 0.01, 0.3, 0.99} {
		percent := fraction(math.Round(p * math.MaxUint32)).String()
		near(t, "loss "+percent, count(try(t, "loss "+percent).lost), manyTrials(), p)
		near(t, "duplicate "+percent, try(t, "duplicate "+percent).copies, manyTrials(), p)
		near(t, "corrupt "+percent, try(t, "corrupt "+percent).corrupted, manyTrials(), p)
	}
	front := try(t, "front loss 30%") // an opportunity lasts until a packet is not lost
	near(t, "front loss 30%", count(front.lost), front.n, 0.3)
	if r := try(t, "loss 100%"); count(r.lost) != manyTrials() {
		t.Errorf("loss 100%% loses %d of %d", count(r.lost), manyTrials())
	}
	both := try(t, "loss 30% duplicate 40%")
	near(t, "both lost", count(both.lost), manyTrials(), 0.3*0.6)
	near(t, "copies of what was not lost, themselves not lost", both.copies, manyTrials(), 0.4*0.7*0.7)
	if r := try(t, "loss 10% ecn"); r.marked != 0 {
		t.Errorf("%d marks on packets that are not ECN-capable", r.marked)
	}
}

// TestGilbertElliott checks loss rate and burst length against the chain's
// stationary law. The tolerance is three deviations of the mean of a correlated
// sequence: its variance is larger by the sum of correlations.
func TestGilbertElliott(t *testing.T) {
	for words, c := range map[string]struct{ p, r, bad, good float64 }{
		"loss gemodel 1% 10%":            {.01, .1, 1, 0},
		"loss gemodel 1%":                {.01, .99, 1, 0},
		"loss gemodel 0.5% 5% 80% 0.1%":  {.005, .05, .8, .001},
		"loss gemodel 20% 30% 50% 2%":    {.2, .3, .5, .02},
		"loss gemodel p 2% r 4% 1-h 90%": {.02, .04, .9, 0},
	} {
		lost := try(t, words).lost
		bad := c.p / (c.p + c.r)
		rate := bad*c.bad + (1-bad)*c.good
		memory := 1 - c.p - c.r
		variance := rate*(1-rate) + 2*bad*(1-bad)*(c.bad-c.good)*(c.bad-c.good)*memory/(1-memory)
		within(t, words+": loss rate", share(lost), rate, 3*math.Sqrt(variance/float64(len(lost))))
		if c.good == 0 && c.bad == 1 {
			bursts := runs(lost)
			mean := 1 / c.r
			sigma := math.Sqrt((1-c.r)/(c.r*c.r)) / math.Sqrt(float64(len(bursts)))
			within(t, words+": burst length", float64(count(lost))/float64(len(bursts)), mean, 3*sigma+1e-9)
		}
	}
}

// TestStateModel checks the four states' loss rate and the share of isolated
// losses.
func TestStateModel(t *testing.T) {
	for words, c := range map[string]struct{ p13, p31, p32, p23, p14 float64 }{
		"loss state 1%":                                  {.01, .99, 0, 1, 0},
		"loss state 1% 10%":                              {.01, .1, 0, 1, 0},
		"loss state 1% 10% 20% 30% 0.5%":                 {.01, .1, .2, .3, .005},
		"loss state p13 5% p31 20% p32 0% p23 50%":       {.05, .2, 0, .5, 0},
		"loss state p13 0% p31 20% p32 0% p23 1% p14 2%": {0, .2, 0, .01, .02},
	} {
		lost := try(t, words).lost
		burst := c.p13 / c.p31 // weight of state 3 against 1 of state 1
		rate := (burst + c.p14) / (1 + c.p14 + burst*(1+c.p32/c.p23))
		// Batches of a thousand packets are nearly independent.
		var sum, squares float64
		const batch = 1000
		for i := 0; i < manyTrials(); i += batch {
			x := float64(count(lost[i:i+batch])) / batch
			sum, squares = sum+x, squares+x*x
		}
		n := float64(manyTrials() / batch)
		sigma := math.Sqrt((squares/n - sum*sum/n/n) / n)
		within(t, words+": loss rate", sum/n, rate, 3*sigma)
		if c.p14 == 0 && c.p32 == 0 {
			bursts := runs(lost)
			within(t, words+": burst length", float64(count(lost))/float64(len(bursts)), 1/c.p31, 3*math.Sqrt(1-c.p31)/c.p31/math.Sqrt(float64(len(bursts)))+1e-9)
		}
		if c.p13 == 0 {
			for _, n := range runs(lost) {
				if n != 1 {
					t.Fatalf("%s: an isolated loss of %d packets", words, n)
				}
			}
		}
	}
}

// moments are mean, deviation and correlation with the one before.
func moments(x []time.Duration) (mean, deviation, correlation float64) {
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	var square, lag float64
	last := mean
	for _, v := range x {
		square += (float64(v) - mean) * (float64(v) - mean)
		lag += (float64(v) - mean) * (last - mean)
		last = float64(v)
	}
	return mean, math.Sqrt(square / float64(len(x))), lag / square
}

// TestDelay checks mean, deviation and correlation of each distribution.
func TestDelay(t *testing.T) {
	const ms = float64(time.Millisecond)
	for words, sigma := range map[string]float64{
		"delay 30ms 2ms":                           2 * ms / math.Sqrt(3),
		"delay 30ms 2ms distribution uniform":      2 * ms / math.Sqrt(3),
		"delay 30ms 2ms distribution normal":       2 * ms,
		"delay 30ms 2ms distribution pareto":       2 * ms,
		"delay 30ms 2ms distribution paretonormal": 2 * ms,
	} {
		mean, deviation, correlation := moments(try(t, words).delays)
		within(t, words+": mean", mean, 30*ms, 3*sigma/math.Sqrt(float64(manyTrials()))+ms/8192)
		// Pareto's fourth moment is large: its deviation's own error is.
		within(t, words+": deviation", deviation, sigma, 0.03*sigma)
		within(t, words+": correlation", correlation, 0, 3/math.Sqrt(float64(manyTrials())))
	}
	for _, rho := range []float64{0.1, 0.25, 0.5, 0.9} {
		words := "delay 30ms 2ms " + fraction(math.Round(rho*math.MaxUint32)).String()
		_, deviation, correlation := moments(try(t, words).delays)
		within(t, words+": correlation", correlation, rho, 4/math.Sqrt(float64(manyTrials())))
		within(t, words+": deviation", deviation, 2*ms/math.Sqrt(3)*math.Sqrt((1-rho)/(1+rho)), 0.01*2*ms)
	}
	for words, want := range map[string]time.Duration{"delay 1ms 30ms": 0, "delay 7ms": 7 * time.Millisecond} {
		low := time.Hour
		for _, d := range try(t, words+" loss 0.1%").delays {
			if d >= 0 {
				low = min(low, d)
			}
		}
		if low != want {
			t.Errorf("%s: the shortest is %v, want %v", words, low, want)
		}
	}
}

// TestCorrelation pins the recurrence: fixed points at the ends, and a mean of
// the fresh and the last number between.
func TestCorrelation(t *testing.T) {
	full := draws{rho: certain}
	full.seed((&Env{}).Random("x"))
	if a, b := full.next(), full.next(); a != b {
		t.Error("with 100 % the number changes")
	}
	half := draws{rho: 1<<31 - 1}
	half.seed((&Env{}).Random("x"))
	fresh := (&Env{}).Random("x")
	last := uint64(fresh.Uint32())
	for range 1000 {
		want := (uint64(fresh.Uint32()) + last) / 2
		if got := uint64(half.next()); got != want {
			t.Fatalf("%d after %d, want %d", got, last, want)
		}
		last = want
	}
}

// TestReorder checks which packets skip the delay.
func TestReorder(t *testing.T) {
	skipped := func(words string) (at []int) {
		for i, d := range try(t, "delay 10ms "+words).delays {
			if d == 0 {
				at = append(at, i)
			}
		}
		return at
	}
	near(t, "reorder 25%", len(skipped("reorder 25%")), manyTrials(), .25)
	at := skipped("reorder 100% gap 5")
	if len(at) != manyTrials()/5 || at[0] != 4 || at[1] != 9 {
		t.Errorf("gap 5: %d skip, the first %v", len(at), at[:5])
	}
	// Of four waits and a chance of a half, a cycle is 4 + 2 on average.
	within(t, "reorder 50% gap 5", float64(len(skipped("reorder 50% gap 5")))/float64(manyTrials()), 1.0/6, .001)
}

// TestSlot has slots by hand: packets a millisecond apart, from 1 ms on.
func TestSlot(t *testing.T) {
	arrivals := func(words string, n int) (at []pkt.Time) {
		l, err := New("unlimited "+words, Env{})
		if err != nil {
			t.Fatal(err)
		}
		f := &feed{}
		for i := range n {
			f.packets = append(f.packets, &pkt.Packet{Len: 1000})
			l.Transmit(pkt.Time(i+1)*ms, f, f)
		}
		return f.at
	}
	for words, want := range map[string][]pkt.Time{
		"slot 5ms":                   {6, 6, 6, 6, 6, 6, 12, 12},
		"slot 5ms packets 2":         {6, 6, 11, 11, 16, 16, 21, 21},
		"slot 5ms bytes 2500":        {6, 6, 6, 11, 11, 11, 16, 16},
		"slot 5ms packets 2 limit 3": {6, 6, 11, 11, 16}, // three wait when 4, 5 and 8 come
		"delay 3ms slot 5ms":         {9, 9, 9, 9, 9, 9, 15, 15},
	} {
		got := arrivals(words, 8)
		for i := range want {
			want[i] *= ms
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", words, got, want)
		}
	}
	r := try(t, "slot 2ms 4ms packets 1000")
	low, high := time.Hour, time.Duration(0)
	for _, d := range r.delays {
		low, high = min(low, d), max(high, d)
	}
	if low < 0 || high > 4*time.Millisecond || high < 3900*time.Microsecond {
		t.Errorf("slots of 2 to 4 ms keep packets for %v to %v", low, high)
	}
}

// TestLimit checks that no more than the limit is behind the wire, and that it
// is used up.
func TestLimit(t *testing.T) {
	r := try(t, "delay 20ms 20ms limit 10")
	var h landings
	most := 0
	for i, d := range r.delays {
		now := pkt.Time(i+1) * ms
		h.until(now)
		if d > 0 {
			h.push(now.Add(d))
		}
		most = max(most, len(h))
	}
	if most != 10 || count(r.lost) < manyTrials()/4 {
		t.Errorf("at most %d behind the wire, %d lost", most, count(r.lost))
	}
}

// TestFrontCostsNoAirtime checks what is in front and what is behind: a loss in
// front leaves the wire free for the next packet.
func TestFrontCostsNoAirtime(t *testing.T) {
	last := func(spec string) pkt.Time {
		l, err := New(spec, Env{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		f := &feed{}
		for range 1000 {
			f.packets = append(f.packets, &pkt.Packet{Len: 125, Segs: 1})
		}
		return send(l, 0, f)
	}
	for spec, want := range map[string]pkt.Time{
		"rate 1mbit loss 50%":            1000 * ms,
		"rate 1mbit duplicate 50%":       1000 * ms,
		"rate 1mbit front loss 100%":     0,
		"rate 1mbit front duplicate 99%": 1990 * ms, // to 1 %
		"rate 1mbit front loss 50%":      500 * ms,  // to 10 %
	} {
		got := last(spec)
		if slack := want / 10; got < want-slack || got > want+slack || slack == want/10 && want == 1000*ms && got != want {
			t.Errorf("%s: a thousand packets of 1 ms take %v, want %v", spec, got, want)
		}
	}
}
