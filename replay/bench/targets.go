package bench

import "fmt"

// Target is a number that uq wants to reach, beside what it reached.
type Target struct {
	What string `json:"what"`
	// Want is the least, or with AtMost the most, that is good enough; Aim is
	// better still, where there is one.
	Want   float64  `json:"want"`
	AtMost bool     `json:"at_most,omitempty"`
	Aim    *float64 `json:"aim,omitempty"`
	// Got is over the rounds, nil where the rows it needs were not measured.
	Got *Spread `json:"got,omitempty"`
	// Best relates each side's best round, wherever that was: what a busy machine
	// can do when it is left alone for a moment. Only ratios have it.
	Best *float64 `json:"best,omitempty"`
	// Met is about the median, or the worst where said in What.
	Met bool `json:"met"`

	worst bool
}

// steadyMallocs is what counts as no allocation, a packet: less than one for a
// full batch (a 64th). What is left comes with signals, timers and blocks of the
// trace.
const steadyMallocs = 0.01

// pauseTarget is the longest pause of the collector, in microseconds.
const pauseTarget = 200

// targets judges the samples.
func targets(t *Task, g groups) []*Target {
	none, on := key{Row: NoQueue}, func(r Row) key { return key{r, true} }
	off := func(r Row) key { return key{r, false} }
	live := t.Qdisc + " live"
	ts := []*Target{
		g.ratio("TCP with GSO: uq no-op / no queue", 0.95, bps, on(NoOp), none),
		g.ratio("TCP with GSO: uq no-op / C", 1, bps, on(NoOp), on(C)),
		g.ratio("TCP without GSO: uq no-op / C", 1.5, bps, off(NoOp), off(C)),
		g.ratio("UDP packets/s: uq no-op / C", 2, pps, on(NoOp), on(C)),
		g.ratio("UDP packets/s in a burst: uq no-op / C", 2, burst, on(NoOp), on(C)),
		g.delay("added mean round trip: uq no-op / C", rtt, on(NoOp), on(C)),
		g.delay("added median round trip: uq no-op / C", median, on(NoOp), on(C)),
		g.ratio("UDP packets/s: "+live+" / C no-op", 1, pps, on(Live), on(C)),
	}
	for _, r := range []Row{NoOp, Live} {
		name := map[Row]string{NoOp: "uq no-op", Live: live}[r]
		ts = append(ts,
			&Target{What: "allocations per packet: " + name, Want: steadyMallocs, AtMost: true, Got: spreadOf(g.goValues(on(r), mallocs))},
			&Target{What: "longest GC pause, us, worst round: " + name, Want: pauseTarget, AtMost: true, worst: true,
				Got: spreadOf(g.goValues(on(r), func(s *Sample) float64 { return float64(s.Program.Go.PauseMax) / 1e3 }))})
	}
	for _, x := range ts {
		x.judge()
	}
	return ts
}

// ratio wants a to have at least want of b.
func (g groups) ratio(what string, want float64, f func(*Sample) float64, a, b key) *Target {
	t := &Target{What: what, Want: want, Got: spreadOf(g.paired(a, b, over(f)))}
	if x, y := spreadOf(g.values(a, f)), spreadOf(g.values(b, f)); x != nil && y != nil && y.Max > 0 {
		best := x.Max / y.Max
		t.Best = &best
	}
	return t
}

// delay wants a to add at most what b adds to no queue.
func (g groups) delay(what string, f func(*Sample) float64, a, b key) *Target {
	aim := 0.8
	t := &Target{What: what, Want: 1, AtMost: true, Aim: &aim, Got: spreadOf(g.added(f, a, b))}
	x, y, n := spreadOf(g.values(a, f)), spreadOf(g.values(b, f)), spreadOf(g.values(key{Row: NoQueue}, f))
	if x != nil && y != nil && n != nil && y.Min > n.Min {
		best := (x.Min - n.Min) / (y.Min - n.Min)
		t.Best = &best
	}
	return t
}

func spreadOf(v []float64) *Spread {
	if s, ok := spread(v); ok {
		return &s
	}
	return nil
}

// added relates what a and b add to the round trip without a queue, round by
// round.
func (g groups) added(f func(*Sample) float64, a, b key) []float64 {
	none := g[key{Row: NoQueue}]
	return g.paired(a, b, func(a, b *Sample) (float64, bool) {
		n := none[a.Round]
		if n == nil || n.Err != "" || f(b) <= f(n) {
			return 0, false
		}
		return (f(a) - f(n)) / (f(b) - f(n)), true
	})
}

// goValues maps the samples of a program in Go.
func (g groups) goValues(k key, f func(*Sample) float64) []float64 {
	var v []float64
	for _, s := range g.good(k) {
		if s.Program != nil && s.Program.Go != nil {
			v = append(v, f(s))
		}
	}
	return v
}

func (t *Target) judge() {
	if t.Got == nil {
		return
	}
	got := t.Got.Median
	if t.worst {
		got = t.Got.Max
	}
	t.Met = got >= t.Want
	if t.AtMost {
		t.Met = got <= t.Want
	}
}

// verdict is the judgement in words.
func (t *Target) verdict() string {
	switch {
	case t.Got == nil:
		return "not measured"
	case !t.Met:
		return "not met"
	case t.Aim != nil && t.Got.Median > *t.Aim:
		return fmt.Sprintf("met, the aim of %g not", *t.Aim)
	}
	return "met"
}
