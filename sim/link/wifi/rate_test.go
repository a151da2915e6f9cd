package wifi

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// TestRatePoints checks that a station's mode is that of the table, up to what is
// in the hardware already.
func TestRatePoints(t *testing.T) {
	c := cell(ht(20, 15, 400))
	c.Stations[0].Rates = []RatePoint{{At: 1e9, Mode: ht(20, 0, 800)}, {At: 2e9, Mode: ht(20, 7, 800)}}
	m := New(c, link.Env{Seed: 1})
	changes := ""
	var last Mode
	m.OnAir = func(a Air) {
		if a.Kind == Down && *a.Mode != last {
			last = *a.Mode
			changes += fmt.Sprintf("%v %s, ", time.Duration(a.Start).Round(100*time.Millisecond), last.String())
		}
	}
	s := newSaturated(m, 1500)
	drive(m, s, s, 3*time.Second)
	if want := "0s ht20 mcs15 sgi, 1s ht20 mcs0, 2s ht20 mcs7, "; changes != want {
		t.Errorf("modes %s want %s", changes, want)
	}
	if got := m.Airtime(0, 1514); got < 190*us || got > 200*us {
		t.Errorf("a packet takes %v at 65 Mbit/s", got)
	}
}

// TestLadder checks what a rate control may choose from.
func TestLadder(t *testing.T) {
	for _, c := range []struct {
		mode Mode
		want string
	}{
		{ofdm(24), "[6000 9000 12000 18000 24000]"},
		{ht(20, 3, 800), "[6500 13000 19500 26000]"},
		{ht(20, 11, 800), "[6500 13000 19500 26000 13000 26000 39000 52000]"},
		{vht(20, 9, 1, 800), "[6500 13000 19500 26000 39000 52000 58500 65000 78000]"}, // no MCS 9 there
		{he(20, 1, 1, 800), "[8602 17205]"},
	} {
		var got []int
		if c.mode.PHY == VHT {
			c.mode.MCS = 8
		}
		for _, m := range c.mode.Ladder() {
			got = append(got, m.Kbits())
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, want %s", c.mode.String(), got, c.want)
		}
	}
}

// TestErrorsAt checks the part of frames lost by MCS, in percent.
func TestErrorsAt(t *testing.T) {
	for _, c := range []struct {
		mode Mode
		snr  int
		want string
	}{
		{ht(20, 7, 800), 20, "[0 0 0 0 0.001 10 50 90 0 0 0 0 1 100 100 100"},
		{ht(40, 7, 800), 23, "[0 0 0 0 0.001 10 50 90 0 0 0 0 1 100 100 100"},
		{vht(80, 9, 1, 800), 30, "[0 0 0 0 0 0.001 0.01 0.1 100 100"},
		{ofdm(54), 9, "[0 0.001 0.1 10 100 100 100 100"},
		{Mode{PHY: DSSS, Kbps: 11000}, 5, "[0 0 0.1 50"},
	} {
		got := "["
		for i, e := range ErrorsAt(c.mode, c.snr)[:min(16, len(ErrorsAt(c.mode, c.snr)))] {
			if i > 0 {
				got += " "
			}
			got += fmt.Sprint(math.Round(float64(e)/(1<<32)*1e5) / 1e3)
		}
		if got != c.want {
			t.Errorf("%s at %d dB: %s, want %s", c.mode.String(), c.snr, got, c.want)
		}
	}
}

// percent is a probability of loss.
func percent(p ...int) (errors []uint32) {
	for _, p := range p {
		errors = append(errors, uint32(uint64(p)*(1<<32-1)/100))
	}
	return errors
}

// goodput is what a station of an HT cell is delivered in Mbit/s between two
// instants, and how its MPDUs are spread over the MCS.
func goodput(c Config, from, to time.Duration, change func(*Medium)) (mbit float64, share [8]float64) {
	m := New(c, link.Env{Seed: 3})
	s := newSaturated(m, 1500)
	var mpdus [8]int
	all := 0
	m.OnAir = func(a Air) {
		if (a.Kind == Down || a.Kind == Failed) && a.Start >= pkt.Time(from) {
			mpdus[a.Mode.MCS] += a.MPDUs
			all += a.MPDUs
		}
	}
	now := pkt.Time(0)
	before := uint64(0)
	for now < pkt.Time(to) {
		was := now
		now, _ = m.Transmit(now, s, s)
		if was < pkt.Time(from) && now >= pkt.Time(from) {
			before = s.got[0]
			if change != nil {
				change(m)
			}
		}
	}
	for i := range share {
		share[i] = float64(mpdus[i]) / float64(all)
	}
	return float64(s.got[0]-before) * 1500 * 8e-6 / (to - from).Seconds(), share
}

// TestMinstrel checks that it finds the best mode of an error table, whatever the
// table, and gets nearly what that mode alone gets; and that it follows a change
// within a second.
func TestMinstrel(t *testing.T) {
	tables := [][]uint32{
		percent(0, 0, 0, 0, 1, 60, 95, 100),
		percent(0, 0, 0, 0, 0, 0, 0, 0),
		percent(5, 80, 100, 100, 100, 100, 100, 100),
		percent(0, 0, 0, 0, 0, 5, 40, 80),
		ErrorsAt(ht(20, 7, 800), 12),
	}
	best := func(errors []uint32) (mcs int, mbit float64) {
		for i := range 8 {
			c := cell(ht(20, i, 800))
			c.Stations[0].Errors = errors
			if got, _ := goodput(c, time.Second, 3*time.Second, nil); got > mbit {
				mcs, mbit = i, got
			}
		}
		return mcs, mbit
	}
	c := cell(ht(20, 7, 800))
	c.Stations[0].Minstrel = true
	for i, errors := range tables {
		c.Stations[0].Errors = errors
		mcs, want := best(errors)
		got, share := goodput(c, time.Second, 5*time.Second, nil)
		t.Logf("table %d: %.1f Mbit/s, MCS %d alone %.1f; shares %.2f", i, got, mcs, want, share)
		if got < want*0.9 {
			t.Errorf("table %d: %.1f Mbit/s, MCS %d alone gets %.1f", i, got, mcs, want)
		}
		if most := slices.Index(share[:], slices.Max(share[:])); most != mcs {
			t.Errorf("table %d: most MPDUs are sent with MCS %d, best is %d", i, most, mcs)
		}
		next := tables[(i+1)%len(tables)]
		_, want = best(next)
		got, _ = goodput(c, time.Second, 5*time.Second, func(m *Medium) { m.conf.Stations[0].Errors = next })
		if got < want*0.75 {
			t.Errorf("table %d, then the next: %.1f Mbit/s, %.1f with the best mode", i, got, want)
		}
	}
}

// TestMinstrelChain checks which rate each attempt has, and the update's arithmetic.
func TestMinstrelChain(t *testing.T) {
	c := cell(ht(20, 3, 800))
	c.Stations[0].Minstrel = true
	r := New(c, link.Env{Seed: 1}).rates[0][0].rc
	for rate, received := range []int{100, 96, 50, 5} {
		r.learned(rate, 100, received)
	}
	r.update()
	if r.best != 1 || r.second != 2 || r.probable != 1 {
		t.Errorf("best %d, second %d, probable %d; want 1 2 1: 13 Mbit/s at 9/10, 19.5 at 1/2, above 95 %%", r.best, r.second, r.probable)
	}
	r.next = pkt.Never
	r.count = 0
	got := ""
	for before := range 7 {
		rate, _ := r.pick(0, before)
		got += fmt.Sprint(rate, " ")
	}
	if want := "1 1 2 2 1 1 1 "; got != want {
		t.Errorf("attempts are sent at rates %s, want %s", got, want)
	}
	r.learned(2, 10, 10)
	r.update()
	if want := (3*(certain/2) + certain) / 4; r.rates[2].success != want || r.best != 2 {
		t.Errorf("success of rate 2 is %d, want %d of %d; best is %d, want 2", r.rates[2].success, want, certain, r.best)
	}
}
