package metric

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/uqtool/uq/sim/report"
)

// Scope is a part of a qdisc that has metrics of its own, written word(arg).
type Scope struct {
	Word, Arg string
	// Help is what it selects.
	Help string

	find func(p *place, arg string) (*place, error)
}

// scopes is every scope.
var scopes = []Scope{
	{"flow", "SELECTOR", "all flows that match, as one: udp, udp:5201, 10.0.1.2, tcp:10.0.0.0/8:80, SOURCE>DESTINATION, a flow as the report prints it, or several with commas between; or a name for such, of --flow or of a scenario", flowPlace},
	{"tin", "NAME or NUMBER", "a tin of cake by tc's name for it (Bulk, Best Effort, Video, Voice), or by its number from 0", tinPlace},
	{"station", "ADDRESS or NUMBER", "a station of a WiFi link, as the report names it, or by its number from 0; of mac80211 by its number", stationPlace},
	{"class", "ID", "a qdisc inside another, by tc's class (1:2): has its own counters, and qlen, backlog_bytes, packets, bytes, drops", classPlace},
}

// Scopes lists the scopes. The list is the caller's.
func Scopes() []Scope { return slices.Clone(scopes) }

// place is where a metric's name is looked up: a run, or a scope of it.
type place struct {
	path string // as it was written, to name it in errors
	lane *Lane
	// run has the metrics of the table, if this is a run or flows of it.
	run *report.Run
	// flows says that it is flows.
	flows bool
	stats map[string]any
	// more is what a medium or a station has.
	more    []found
	wifi    *report.WiFi
	tins    []map[string]any
	options map[string]any
	classes []report.Class
}

func runPlace(l *Lane, label string) *place {
	r := l.Run
	p := &place{path: label, lane: l, run: r, stats: r.Stats, tins: r.Tins, options: r.Options, classes: r.Classes, wifi: r.WiFi}
	if r.WiFi != nil {
		p.more = of(medium, r.WiFi)
	}
	return p
}

// value finds a metric by name.
func (p *place) value(name string) (v float64, u Unit, err error) {
	for i := range table {
		if m := &table[i]; p.run != nil && m.Name == name && !(m.Inside && p.flows) {
			v, why := m.get(p.run)
			if why != "" {
				return 0, m.Unit, &noValue{fmt.Sprintf("%s has no %s: %s", p.path, name, why)}
			}
			return v, m.Unit, nil
		}
	}
	for _, f := range p.more {
		if f.name == name {
			v, ok := f.get()
			if !ok {
				return 0, f.unit, &noValue{fmt.Sprintf("%s has no %s: nothing was sent", p.path, name)}
			}
			return v, f.unit, nil
		}
	}
	if v, ok := stat(p.stats, name); ok {
		return v, StatUnit(name), nil
	}
	return 0, Plain, fmt.Errorf("%s has no metric %q: %s", p.path, name, suggest(name, p.names()))
}

// names lists what value finds.
func (p *place) names() (names []string) {
	for _, m := range table {
		if p.run != nil && !(m.Inside && p.flows) {
			names = append(names, m.Name)
		}
	}
	for _, f := range p.more {
		names = append(names, f.name)
	}
	return append(names, statNames(p.stats)...)
}

// in goes into a scope.
func (p *place) in(w part) (*place, error) {
	var words []string
	for _, s := range scopes {
		if s.Word == w.word && w.bracketed {
			q, err := s.find(p, w.arg)
			if err == nil {
				q.path, q.lane = fmt.Sprintf("%s.%s(%s)", p.path, w.word, w.arg), p.lane
			}
			return q, err
		}
		words = append(words, s.Word+"(...)")
	}
	return nil, fmt.Errorf("%s has no scope %q: there are %s", p.path, w.word, list(words))
}

func flowPlace(p *place, arg string) (*place, error) {
	if p.run == nil || p.flows {
		return nil, fmt.Errorf("%s has no flows of its own: write flow(%s) right behind the qdisc", p.path, arg)
	}
	r := p.lane.Probe.run(arg, p.lane)
	if r == nil || r.ArrivedPackets == 0 {
		return nil, &absent{fmt.Sprintf("no flow matches flow(%s): %s", arg, largest(p.run))}
	}
	return &place{run: r, flows: true}, nil
}

// largest names some flows that there are.
func largest(r *report.Run) string {
	const most = 3
	var names []string
	for _, f := range r.Flows[:min(len(r.Flows), most)] {
		names = append(names, f.Flow)
	}
	if names == nil {
		return fmt.Sprintf("there are %d others", r.FlowCount)
	}
	return fmt.Sprintf("of %d flows the largest are %s", r.FlowCount, strings.Join(names, ", "))
}

func tinPlace(p *place, arg string) (*place, error) {
	if len(p.tins) == 0 {
		return nil, fmt.Errorf("%s has no tins: cake has", p.path)
	}
	names := report.TinNames(p.options["diffserv"])
	n, err := strconv.Atoi(arg)
	if err != nil {
		n = slices.IndexFunc(names, func(s string) bool { return plainName(s) == plainName(arg) })
	}
	if n < 0 || n >= len(p.tins) {
		all := names
		if len(all) == 0 {
			all = []string{fmt.Sprintf("0 to %d", len(p.tins)-1)}
		}
		return nil, fmt.Errorf("%s has no tin %q: there are %s", p.path, arg, list(all))
	}
	return &place{stats: p.tins[n]}, nil
}

// plainName is a name without case and spaces.
func plainName(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }

// stationPlace is a station of the link, with what the scheduler counts of it, or
// one of the scheduler's alone.
func stationPlace(p *place, arg string) (*place, error) {
	var names []string
	if p.wifi != nil && p.run != nil && !p.flows {
		for i := range p.wifi.Stations {
			s := &p.wifi.Stations[i]
			if s.Address == arg || strconv.Itoa(i) == arg {
				return &place{more: of(station, s), stats: p.stationTin(i)}, nil
			}
			names = append(names, s.Address)
		}
	}
	for i := range p.tins {
		if t := p.stationTin(i); t != nil && p.wifi == nil {
			if strconv.Itoa(i) == arg {
				return &place{stats: t}, nil
			}
			names = append(names, strconv.Itoa(i))
		}
	}
	if names == nil {
		return nil, &absent{p.path + " has no stations: a WiFi link has, or mac80211"}
	}
	return nil, &absent{fmt.Sprintf("%s has no station %q: there are %s", p.path, arg, list(names))}
}

// stationTin is what a scheduler counts of the i-th station, nil if nothing.
func (p *place) stationTin(i int) map[string]any {
	if i < len(p.tins) {
		if _, ok := p.tins[i]["station"]; ok {
			return p.tins[i]
		}
	}
	return nil
}

func classPlace(p *place, arg string) (*place, error) {
	var ids []string
	for _, c := range p.classes {
		if c.ID == arg {
			stats := map[string]any{"qlen": c.Qlen, "backlog_bytes": c.Backlog}
			for k, v := range c.Stats {
				stats[k] = v
			}
			return &place{stats: stats, tins: c.Tins, options: c.Options, classes: c.Classes}, nil
		}
		ids = append(ids, c.ID)
	}
	// drr's come with the traffic.
	if ids == nil {
		return nil, &absent{p.path + " has no qdiscs inside"}
	}
	return nil, &absent{fmt.Sprintf("%s has no class %q: there are %s", p.path, arg, list(ids))}
}
