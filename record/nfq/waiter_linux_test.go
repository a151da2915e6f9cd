package nfq

import (
	"testing"
	"time"
)

// TestCrowded: a yield that takes as long as a time slice ends the polling for a
// while, again for twice as long, and after a calm time all is forgotten.
func TestCrowded(t *testing.T) {
	w := newWaiter(50 * time.Microsecond)
	now := time.Now()
	yield := func(took time.Duration) {
		w.yielded = now
		now = now.Add(took)
		w.crowded(now)
	}
	off := func() time.Duration { return max(w.calm.Sub(now), 0) }
	for _, tt := range []struct {
		calm, yield, off time.Duration
	}{
		{0, 300 * time.Microsecond, 0},
		{0, 3 * time.Millisecond, 100 * time.Millisecond},
		{100 * time.Millisecond, 20 * time.Microsecond, 0},
		{50 * time.Millisecond, 3 * time.Millisecond, 200 * time.Millisecond},
		{300 * time.Millisecond, time.Millisecond, 400 * time.Millisecond},
		{900 * time.Millisecond, 3 * time.Millisecond, 100 * time.Millisecond},
	} {
		now = now.Add(tt.calm)
		yield(tt.yield)
		if got := off(); got != tt.off {
			t.Errorf("a yield of %v after %v: polling is off for %v, want %v", tt.yield, tt.calm, got, tt.off)
		}
	}
	for range 10 {
		now = w.calm
		yield(longYield)
	}
	if off() != maxPenalty {
		t.Errorf("crowded all the time: off for %v, want %v", off(), maxPenalty)
	}
}

// TestQuick: polling is for packets that come within the budget.
func TestQuick(t *testing.T) {
	w := newWaiter(time.Hour)
	for idle, want := range map[time.Duration]bool{time.Minute: true, 2 * time.Hour: false} {
		w.idle = time.Now().Add(-idle)
		if w.arrived(); w.quick != want || !w.idle.IsZero() {
			t.Errorf("a packet after %v: quick %v, want %v", idle, w.quick, want)
		}
	}
	w.quick = false
	if w.arrived(); !w.quick {
		t.Error("a packet without a wait is quick")
	}
	if w = newWaiter(-1); w.budget != 0 {
		t.Errorf("no polling: budget %v", w.budget)
	}
}

// TestWaitsFirst: only a Receive that may wait, behind a read that left nothing,
// where packets come slowly, does without a read before its wait; and once.
func TestWaitsFirst(t *testing.T) {
	for _, tt := range []struct {
		drained, quick bool
		timeout        time.Duration
		want           bool
	}{
		{true, false, Forever, true},
		{true, false, time.Millisecond, true},
		{true, false, 0, false},
		{true, true, Forever, false},
		{false, false, Forever, false},
	} {
		w := newWaiter(time.Millisecond)
		w.drained, w.quick = tt.drained, tt.quick
		w.begin(tt.timeout)
		if got := w.waitsFirst(); got != tt.want {
			t.Errorf("%+v: waits first: %v", tt, got)
		}
		if w.waitsFirst() {
			t.Errorf("%+v: waits twice", tt)
		}
	}
}
