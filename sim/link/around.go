package link

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// Behind puts the impairments that words say behind l, a link of another
// package: "delay 10ms loss 1%". A Cell stays one. Before such a link there is
// nothing: it asks the scheduler in its own way.
func Behind(l Link, words []string, env Env) (Link, error) {
	if i := slices.Index(words, "front"); i >= 0 {
		return nil, fmt.Errorf("%s: \"front\" belongs to wires: write the impairments behind it", l.Kind())
	}
	later, _ := l.(Waker)
	n := &Netem{wire: &foreign{Link: l, later: later}}
	if err := n.behind.options().Parse(l.Kind(), words); err != nil {
		return nil, err
	}
	if err := n.behind.complete(); err != nil {
		return nil, fmt.Errorf("%s: %w", l.Kind(), err)
	}
	if n.behind.slot.on && n.behind.limit == 0 {
		n.behind.limit = slotLimit
	}
	if n.behind.plain() && n.behind.delay.mean == 0 {
		return l, nil
	}
	n.behind.prepare(&env, "")
	if c, ok := l.(Cell); ok {
		up, _ := l.(Uplinker)
		return &netemCell{n, c, up}, nil
	}
	return n, nil
}

// IsImpairment says whether a word begins what [Behind] reads.
func IsImpairment(word string) bool {
	var s stage
	return word == "front" || s.options().Knows(word)
}

// foreign is a link of another package as a wire.
type foreign struct {
	Link
	later Waker         // Link, if it is one
	delay time.Duration // there is none
}

func (f *foreign) words() tc.Options           { return nil }
func (f *foreign) propagation() *time.Duration { return &f.delay }
func (f *foreign) peak() uint64 {
	if p, ok := f.Link.(Peaked); ok {
		return p.Peak()
	}
	return 0
}

// Holds implements Holder.
func (f *foreign) Holds(smallest int) uint64 {
	if h, ok := f.Link.(Holder); ok {
		return h.Holds(smallest)
	}
	return 0
}

// Peaked is implemented by links that know how fast they are at best.
type Peaked interface {
	// Peak is the most bits a second; 0 is unknown.
	Peak() uint64
}

// netemCell is a cell with impairments behind it.
type netemCell struct {
	*Netem
	cell Cell
	up   Uplinker // nil if its stations do not send
}

var (
	_ Cell     = (*netemCell)(nil)
	_ Uplinker = (*netemCell)(nil)
	_ Waker    = (*Netem)(nil)
)

// Sender implements Uplinker.
func (n *netemCell) Sender(p *pkt.Packet) (station int, ok bool) {
	if n.up == nil {
		return 0, false
	}
	return n.up.Sender(p)
}

// Uplink implements Uplinker.
func (n *netemCell) Uplink(now pkt.Time, station int, p *pkt.Packet) bool {
	return n.up.Uplink(now, station, p)
}

// NextWake implements Waker: the link's of another package.
func (n *Netem) NextWake() pkt.Time {
	if f, ok := n.wire.(*foreign); ok && f.later != nil {
		return f.later.NextWake()
	}
	return pkt.Never
}

// Stations implements Stationed.
func (n *netemCell) Stations() int { return n.cell.Stations() }

// Station implements Stationed.
func (n *netemCell) Station(p *pkt.Packet) int { return n.cell.Station(p) }

// Airtime implements Cell.
func (n *netemCell) Airtime(station, bytes int) time.Duration {
	return n.cell.Airtime(station, bytes)
}

// Weight implements Cell.
func (n *netemCell) Weight(station int) int { return n.cell.Weight(station) }

// Inner is the link without the impairments that New or Behind put around it.
func Inner(l Link) Link {
	switch n := l.(type) {
	case *netemCell:
		return n.cell.(Link)
	case *Netem:
		if f, ok := n.wire.(*foreign); ok {
			return f.Link
		}
		return n.wire
	}
	return l
}

// Percent is a probability in parts of 2^32, written as netem's are; not printed
// when 0.
func Percent(name string, v *uint32, help string) tc.Option {
	return tc.Values(name, "P%", help, func(words []string) (int, error) {
		if len(words) == 0 {
			return 0, badPercent("")
		}
		f, err := parsePercent(words[0])
		*v = uint32(f)
		return 1, err
	}, func() tc.Field {
		return tc.Field{Key: name, Num: int64(*v), Text: fraction(*v).String(), Hidden: *v == 0}
	})
}

// ParsePercent reads "1%" in parts of 2^32, PercentText prints it.
func ParsePercent(s string) (uint32, error) {
	f, err := parsePercent(s)
	return uint32(f), err
}

// PercentText prints a probability as netem's are.
func PercentText(p uint32) string { return fraction(p).String() }

// Span is a tc.Time that prints every digit.
func Span(name string, v *time.Duration, max time.Duration, help string) tc.Option {
	return tc.Time(name, v, max, help).Shown(func(f tc.Field) tc.Field {
		f.Text = exactTime(*v)
		return f
	})
}

// SpanText prints a span as Span does.
func SpanText(d time.Duration) string { return exactTime(d) }

// pinner is a link of another package that has files.
type pinner interface{ Pin(spec string) string }

// pinForeign is Pin for links of other packages.
func pinForeign(spec string, l Link) (string, bool) {
	p, ok := Inner(l).(pinner)
	if !ok {
		return "", false
	}
	return p.Pin(strings.TrimSpace(spec)), true
}
