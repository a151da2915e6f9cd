package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/link/wifi"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report/svg"
)

// AirLog is what an access point's medium was used for in a stretch of time.
type AirLog struct {
	// From and To bound the stretch; what reaches into it is in.
	From, To pkt.Time
	// Air is in order of time. More than maxAir are not kept: Cut is when the first
	// of those began, or 0.
	Air []wifi.Air
	Cut pkt.Time

	cell *wifi.Cell
}

// maxAir is how many uses of the medium a log keeps; each is a box in a picture.
const maxAir = 1 << 15

// NewAirLog begins a log of l, which must be an access point's medium; nil if it
// is none.
func NewAirLog(l link.Link, from, to pkt.Time) *AirLog {
	cell, ok := link.Inner(l).(*wifi.Cell)
	if !ok {
		return nil
	}
	a := &AirLog{From: from, To: to, cell: cell}
	cell.OnAir = a.add
	return a
}

func (l *AirLog) add(a wifi.Air) {
	if a.End <= l.From || a.Start >= l.To || a.Kind == wifi.Idle {
		return
	}
	if len(l.Air) == maxAir {
		if l.Cut == 0 {
			l.Cut = a.Start
		}
		return
	}
	a.Mode = nil // it is not ours
	l.Air = append(l.Air, a)
}

// Geometry of the picture, in pixels.
const (
	airRow    = 18.0 // of one station
	airPanel  = 26.0 // title of a qdisc
	airLabel  = 118.0
	airAxis   = 46.0
	leastMPDU = 2.0 // an MPDU narrower than that has no line of its own
)

// Timeline draws who held the medium and when: a row for each station, boxes for
// PPDUs with a line between frames of an aggregate, for every run that has a log.
// It is nil if none has.
func (r *Report) Timeline(t svg.Theme, width float64) *svg.Drawing {
	rows, first := r.airRows()
	if first == nil {
		return nil
	}
	panels := 0
	for _, run := range r.Runs {
		if run.Air != nil {
			panels++
		}
	}
	each := airPanel + airRow*float64(len(rows)+1)
	d := svg.New(width, 0, "who held the medium", t)
	top := d.Legend(airLabel, 8, width-20, airKeys(t))
	d.Height = top + each*float64(panels) + airAxis
	for i, run := range r.Runs {
		if run.Air == nil {
			continue
		}
		bottom := top + each
		x := svg.Axis{Lo: seconds(first.From), Hi: seconds(first.To), Unit: svg.Seconds}
		if panels--; panels == 0 {
			x.Label = "time"
		} else {
			x.Unit = func(float64) string { return "" }
		}
		p := d.PlotIn(airLabel, top+airPanel, width-20, bottom, x, svg.Axis{Hi: 1, Names: []string{}})
		d.Text(airLabel, top+airPanel-6, r.Label(i), svg.Font{Bold: true})
		run.Air.draw(d, p, rows, t)
		top = bottom
	}
	return d
}

func seconds(t pkt.Time) float64 { return float64(t) / 1e9 }

// airRows are the stations that any log has, and the first log.
func (r *Report) airRows() (rows []int, first *AirLog) {
	seen := map[int]bool{}
	most := -1
	for _, run := range r.Runs {
		if run.Air == nil {
			continue
		}
		if first == nil {
			first = run.Air
		}
		for _, a := range run.Air.Air {
			seen[a.Station] = true
			most = max(most, a.Station)
		}
	}
	for i := 0; i <= most; i++ {
		if seen[i] {
			rows = append(rows, i)
		}
	}
	return rows, first
}

// look is how a kind of use is drawn: its colour, and how much of a row it fills.
type look struct {
	name   string
	colour func(svg.Theme) string
	high   float64
	faint  bool
}

// looks by kind; those without a name are not in the legend.
func looks(k wifi.AirKind) look {
	series := func(i int) func(svg.Theme) string { return func(t svg.Theme) string { return t.Series(i) } }
	switch k {
	case wifi.Down:
		return look{name: "to a station", colour: series(0), high: 1}
	case wifi.Up:
		return look{name: "from a station", colour: series(2), high: 1}
	case wifi.Group:
		return look{name: "to all", colour: series(3), high: 1}
	case wifi.Beacon:
		return look{name: "beacon", colour: series(4), high: 1}
	case wifi.Response:
		return look{name: "answer", colour: series(6), high: 0.5}
	case wifi.Protection:
		return look{name: "RTS, CTS", colour: series(5), high: 0.5}
	case wifi.Failed:
		return look{name: "not received", colour: func(t svg.Theme) string { return t.Drop }, high: 1}
	case wifi.Collision:
		return look{name: "collision", colour: func(t svg.Theme) string { return t.Drop }, high: 1, faint: true}
	}
	return look{name: "contention", colour: func(t svg.Theme) string { return t.Faint }, high: 0.3, faint: true}
}

func airKeys(t svg.Theme) (keys []svg.Key) {
	for k := wifi.Down; k <= wifi.Contention; k++ {
		l := looks(k)
		keys = append(keys, svg.Key{Name: l.name, Stroke: svg.Stroke{Colour: l.colour(t), Width: 8 * l.high, Opacity: l.opacity()}})
	}
	return keys
}

func (l *look) opacity() float64 {
	if l.faint {
		return 0.5
	}
	return 1
}

// draw fills a panel. What is no station's is in the last row, collisions in all.
func (l *AirLog) draw(d *svg.Drawing, p *svg.Plot, rows []int, t svg.Theme) {
	for n, station := range rows {
		y := p.Top + airRow*float64(n)
		name, _ := l.cell.Name(station)
		d.Text(p.Left-8, y+airRow-5, brief(name), svg.Font{Size: 11, Anchor: "end"})
		d.Line(p.Left, y, p.Right, y, svg.Stroke{Colour: t.Grid})
	}
	d.Text(p.Left-8, p.Top+airRow*float64(len(rows)+1)-5, "all", svg.Font{Size: 11, Anchor: "end"})
	d.Clip(p.Left, p.Top, p.Right-p.Left, p.Bottom-p.Top)
	for i := range l.Air {
		a := &l.Air[i]
		row, of := len(rows), 1
		for n, station := range rows {
			if station == a.Station {
				row = n
			}
		}
		if a.Kind == wifi.Collision {
			row, of = 0, len(rows)+1
		}
		l.box(d, p, a, float64(row)*airRow, float64(of)*airRow, t)
	}
	d.Unclip()
	if l.Cut > 0 {
		at := p.X.At(seconds(l.Cut))
		d.Line(at, p.Top, at, p.Bottom, svg.Stroke{Colour: t.Drop, Dash: "4 3"})
		d.Text(at+4, p.Top+10, fmt.Sprintf("more than %d boxes: the rest is left out", maxAir), svg.Font{Size: 9, Colour: t.Drop})
	}
}

// brief is the first of a station's addresses, its middle left out if it is long.
func brief(name string) string {
	const most = 18
	first, _, _ := strings.Cut(name, ",")
	if len(first) > most {
		first = first[:most/2-1] + ".." + first[len(first)-most/2+1:]
	}
	return first
}

// box draws one use of the medium in a row.
func (l *AirLog) box(d *svg.Drawing, p *svg.Plot, a *wifi.Air, row, high float64, t svg.Theme) {
	k := looks(a.Kind)
	left, right := p.X.At(seconds(a.Start)), p.X.At(seconds(a.End))
	h := (high - 4) * k.high
	y := p.Top + row + 2 + (high-4-h)/2
	d.Rect(left, y, right-left, h, svg.Fill{Colour: k.colour(t), Opacity: k.opacity()}, svg.Stroke{}, l.note(a))
	each := (right - left) / float64(max(a.MPDUs, 1))
	if a.Kind == wifi.Collision || each < leastMPDU {
		return
	}
	line := svg.Stroke{Colour: t.Grid, Width: 0.6}
	for i := 1; i < a.MPDUs; i++ {
		x := left + each*float64(i)
		d.Line(x, y, x, y+h, line)
	}
}

// note says what a box is.
func (l *AirLog) note(a *wifi.Air) string {
	s := fmt.Sprintf("%s, %v at %v", a.Kind, a.End.Sub(a.Start).Round(100*time.Nanosecond), a.Start)
	if a.Station >= 0 {
		name, _ := l.cell.Name(a.Station)
		s = name + " " + s
	}
	switch {
	case a.Kind == wifi.Collision:
		s += fmt.Sprintf(", %d senders", a.MPDUs)
	case a.MPDUs > 0:
		s += fmt.Sprintf(", %s, %d frames of %d bytes", a.AC, a.MPDUs, a.Bytes)
	}
	if a.Again > 0 {
		s += fmt.Sprintf(", %d sent again", a.Again)
	}
	if a.Lost > 0 {
		s += fmt.Sprintf(", %d not received", a.Lost)
	}
	return s
}
