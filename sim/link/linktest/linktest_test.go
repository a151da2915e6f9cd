package linktest

import (
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// broken is a link with something wrong.
type broken struct {
	calls *int
	do    func(call int, now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool)
}

func (b broken) Kind() string        { return "broken" }
func (b broken) Options() []tc.Field { return nil }
func (b broken) Transmit(now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool) {
	*b.calls++
	return b.do(*b.calls, now, src, out)
}

// TestCatches makes sure that each rule of the suite can fail.
func TestCatches(t *testing.T) {
	fresh := 0
	for want, do := range map[string]func(int, pkt.Time, link.Source, link.Outcome) (pkt.Time, bool){
		"does not have": func(_ int, now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool) {
			p := src.Take(now)
			if p != nil {
				out.Deliver(now, p)
				out.Deliver(now, p)
			}
			return now, p != nil
		},
		"not let go of": func(_ int, now pkt.Time, src link.Source, _ link.Outcome) (pkt.Time, bool) {
			return now, src.Take(now) != nil
		},
		"which is past": func(_ int, now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool) {
			p := src.Take(now)
			if p != nil {
				out.Lose(now-1, p)
			}
			return now, p != nil
		},
		"was not asked": func(_ int, now pkt.Time, _ link.Source, _ link.Outcome) (pkt.Time, bool) { return now, false },
		"with nothing":  func(_ int, now pkt.Time, _ link.Source, _ link.Outcome) (pkt.Time, bool) { return now, true },
		"still busy": func(_ int, now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool) {
			if p := src.Take(now); p != nil {
				out.Deliver(now, p)
			}
			return now + 1, true
		},
		"free at": func(_ int, now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool) {
			if p := src.Take(now); p != nil {
				out.Deliver(now, p)
			}
			return now - 1, true
		},
		"differ": func(_ int, now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool) {
			p := src.Take(now)
			if p != nil {
				fresh++
				out.Deliver(now+pkt.Time(fresh), p)
			}
			return now, p != nil
		},
	} {
		mk := func() (link.Link, error) { return broken{new(int), do}, nil }
		var found []string
		for _, load := range loads() {
			if err := repeat(mk, load, 1); err != nil {
				found = append(found, err.Error())
			}
		}
		if len(found) == 0 || !strings.Contains(strings.Join(found, "; "), want) {
			t.Errorf("a link that should fail with %q: %q", want, found)
		}
	}
}
