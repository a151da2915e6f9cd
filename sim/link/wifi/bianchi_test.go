package wifi

import (
	"math"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

const window, stages = 16, 6 // the first contention window, how often it doubles

// TestBianchi checks how often n saturated stations collide, within 5 %.
//
//   - EDCA's counting, every busy slot counted, is that of Bianchi's model (JSAC
//     2000), which leaves out acknowledgement timeouts and EIFS: so does the test.
//   - DCF's counting as the standard has it, timeouts and EIFS included, is that of
//     its refinements (Bianchi and Tinnirello, "Remarks", 2005; Tinnirello,
//     Bianchi and Xiao, "Refinements", 2010): the slot after an exchange is only
//     for those who took part in it.
//
// These models take a station for independent of the others. Two stations are not:
// who collides does so with the other, and both double their windows. For them the
// models are 7 % off their own chain, which two stations allow to be solved: the
// test does that instead.
func TestBianchi(t *testing.T) {
	for _, c := range []struct {
		name   string
		params Params
		bare   bool // without timeouts and EIFS
		model  func(n int) float64
		pair   float64
	}{
		{"EDCA, Bianchi", Params{AIFSN: 2, CWMin: 15, CWMax: 1023}, true, bianchi, pair(false)},
		{"DCF, refined", DCF(), false, refined, pair(true)},
	} {
		for _, n := range []int{2, 3, 4, 5, 7, 10, 15, 20} {
			want := c.model(n)
			if n == 2 {
				want = c.pair
			}
			got := collisions(n, c.params, c.bare)
			t.Logf("%s, %d stations: collision probability %.4f, the model has %.4f: %+.1f %%", c.name, n, got, want, 100*(got/want-1))
			if math.Abs(got-want) > want*0.05 {
				t.Errorf("%s, %d stations: collision probability %.4f, the model has %.4f", c.name, n, got, want)
			}
		}
	}
	// The values of the two chains, played out with another program.
	if e, d := pair(false), pair(true); math.Abs(e-0.1108) > 0.0003 || math.Abs(d-0.1099) > 0.0003 {
		t.Errorf("two stations collide with %.4f and %.4f, want 0.1108 and 0.1099", e, d)
	}
}

// collisions is the part of the attempts of n saturated stations that fails.
func collisions(n int, p Params, bare bool) float64 {
	modes := make([]Mode, n)
	for i := range modes {
		modes[i] = ofdm(54)
	}
	c := dcf(cell(modes...))
	for i := range c.Stations {
		c.Stations[i].Uplink = &Uplink{AC: pkt.ACBE, Bytes: 1028}
	}
	c.StationEDCA[pkt.ACBE] = p
	c.Retries = 1000 // the models' stations never give up
	m := New(c, link.Env{Seed: 7})
	if bare {
		m.t.silence, m.t.eifs = 0, 0
	}
	attempts, failures := 0, 0
	m.OnAir = func(a Air) {
		switch a.Kind {
		case Up:
			attempts++
		case Collision:
			attempts, failures = attempts+a.MPDUs, failures+a.MPDUs
		}
	}
	drive(m, silent{}, nil, 60*time.Second)
	return float64(failures) / float64(attempts)
}

// bianchi is the probability p by which a station that sends meets another, if
// each sends in a slot with the probability that it has with p.
func bianchi(n int) float64 {
	return fixedPoint(n, func(w float64) float64 { return (w - 1) / 2 })
}

// refined is that for stations that find their counters one slot shorter, since
// the first slot after an exchange is not theirs, but for who has just sent: with
// the first window's chance of 0 it goes on at once, and alone.
func refined(n int) float64 {
	p := fixedPoint(n, func(w float64) float64 { return (w - 2) / 2 })
	const again = 1.0 / window
	return p / (1 + (1-p)*again/(1-again))
}

// fixedPoint solves for p, given the mean counter drawn from a window.
func fixedPoint(n int, mean func(window float64) float64) float64 {
	low, high := 0.0, 1.0
	for range 60 {
		p := (low + high) / 2
		slots, attempts, pow := 0.0, 0.0, 1.0
		for j := range 300 {
			slots += pow * mean(math.Ldexp(window, min(j, stages)))
			attempts += pow
			pow *= p
		}
		tau := attempts / (attempts + slots)
		if q := 1 - math.Pow(1-tau, float64(n-1)); q > p {
			low = p
		} else {
			high = p
		}
	}
	return low
}

// pair solves the chain of two stations: the part of their attempts that fails.
// A state is what they have after an exchange: after a success the one that had it
// has a new counter of the first window, the other the rest of one of its stage;
// after a collision both have new ones. With dcf the slot of the exchange does not
// count.
func pair(dcf bool) float64 {
	counted := 1
	if dcf {
		counted = 0
	}
	rest := make([][]float64, stages+1) // by the other's stage and counter
	both := make([][]float64, stages+1) // by both stages
	for s := range rest {
		rest[s], both[s] = make([]float64, window<<s), make([]float64, stages+1)
	}
	both[0][0] = 1
	attempts, failures := 0.0, 0.0
	for range 400 {
		attempts, failures = 0, 0
		newRest, newBoth := make([][]float64, stages+1), make([][]float64, stages+1)
		for s := range rest {
			newRest[s], newBoth[s] = make([]float64, window<<s), make([]float64, stages+1)
		}
		// meet goes on from counters a and b of stages s and u.
		meet := func(s, a, u, b int, p float64) {
			switch {
			case a < b:
				newRest[u][b-a-counted] += p
			case a > b:
				newRest[s][a-b-counted] += p
			default:
				newBoth[min(s+1, stages)][min(u+1, stages)] += p
				attempts, failures = attempts+p, failures+2*p
			}
			attempts += p
		}
		for u := range rest {
			for b, p := range rest[u] {
				for a := range window {
					meet(0, a, u, b, p/window)
				}
			}
		}
		for s := range both {
			for u, p := range both[s] {
				wide, narrow := window<<s, window<<u
				p /= float64(wide * narrow)
				for r := 1 - counted; r < wide; r++ { // how many pairs of counters leave a rest r
					newRest[s][r] += p * float64(max(min(narrow, wide-r-counted), 0))
				}
				for r := 1 - counted; r < narrow; r++ {
					newRest[u][r] += p * float64(max(min(wide, narrow-r-counted), 0))
				}
				equal := p * float64(min(wide, narrow))
				newBoth[min(s+1, stages)][min(u+1, stages)] += equal
				attempts, failures = attempts+p*float64(wide*narrow)+equal, failures+2*equal
			}
		}
		rest, both = newRest, newBoth
	}
	return failures / attempts
}
