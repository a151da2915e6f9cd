package figure

import (
	"slices"

	"github.com/uqtool/uq/sim/report/svg"
)

// sojourn draws median and 99th percentile, and below them the ticks of drops
// and marks in a row for every qdisc.
func (s *set) sojourn(t svg.Theme, width float64) *svg.Drawing {
	d := s.new("sojourn over time", width, height, t)
	var all [][]int64
	for _, x := range s.data {
		all = append(all, x.P50, x.P99)
	}
	least, most := extent(all...)
	if most == 0 {
		return empty(d)
	}
	m, row := svg.DefaultMargins, 12.0
	top := d.Legend(m.Left, m.Top, width-m.Right, s.keys(t)) + 8
	bottom := height - m.Bottom - row*float64(len(s.data)) - 6
	y := spanAxis("sojourn", least, most)
	x := s.timeAxis()
	x.Label = ""
	bare := x
	bare.Unit = func(float64) string { return "" }
	p := d.PlotIn(m.Left, top, width-m.Right, bottom, bare, y)
	for i, data := range s.data {
		low, high := seconds(data.P50, y.Lo), seconds(data.P99, y.Lo)
		p.Band(s.times(1), low, high, svg.Fill{Colour: t.Series(s.colours[i]), Opacity: 0.18})
	}
	for i, data := range s.data {
		p.Line(s.times(1), seconds(data.P50, y.Lo), s.stroke(t, i, 1.5))
	}
	x.Label = "time"
	ticks := d.PlotIn(m.Left, bottom+6, width-m.Right, height-m.Bottom, x, svg.Axis{Hi: 1, Names: []string{}})
	s.ticks(d, ticks, row, t)
	return d
}

// ticks draws a stroke for every bin with drops, and half of one for marks.
func (s *set) ticks(d *svg.Drawing, p *svg.Plot, row float64, t svg.Theme) {
	for i, data := range s.data {
		y := p.Top + row*float64(i)
		d.Text(p.Left-8, y+row-2, s.r.Label(i), svg.Font{Size: 9, Anchor: "end", Colour: t.Faint})
		for bin, at := range s.times(1) {
			switch x := p.X.At(at); {
			case data.Total.Drops[bin] > 0:
				d.Line(x, y+1, x, y+row-2, svg.Stroke{Colour: s.stroke(t, i, 1).Colour})
			case data.Total.Marks[bin] > 0:
				d.Line(x, y+row/2, x, y+row-2, svg.Stroke{Colour: s.stroke(t, i, 1).Colour, Opacity: 0.7})
			}
		}
	}
}

func (s *set) queue(t svg.Theme, width float64) *svg.Drawing {
	d := s.new("queue depth", width, height, t)
	most := int64(0)
	for _, x := range s.data {
		most = max(most, slices.Max(x.QueueMax))
	}
	if most == 0 {
		return empty(d)
	}
	_, hi := svg.Nice(0, float64(most), 6)
	p := d.Plot(s.timeAxis(), svg.Axis{Label: "packets queued", Hi: hi}, s.keys(t)...)
	for i, x := range s.data {
		ys := make([]float64, len(x.QueueMax))
		for j, v := range x.QueueMax {
			ys[j] = float64(v)
		}
		p.Line(s.times(1), ys, s.stroke(t, i, 1.2))
	}
	return d
}

// throughputPoints is about how many points a line of throughput has: over less
// time a few packets look like any rate.
const throughputPoints = 200

func (s *set) throughput(t svg.Theme, width float64) *svg.Drawing {
	d := s.new("throughput", width, height, t)
	g := s.group(throughputPoints)
	lines := make([][]float64, len(s.data))
	most := 0.0
	for i, x := range s.data {
		lines[i] = s.rates(x.Total.Bytes, g)
		most = max(most, slices.Max(lines[i]))
	}
	if most == 0 {
		return empty(d)
	}
	_, hi := svg.Nice(0, most, 6)
	p := d.Plot(s.timeAxis(), svg.Axis{Label: "throughput", Unit: svg.Bits, Hi: hi}, s.keys(t)...)
	for i := range s.data {
		p.Line(s.times(g), lines[i], s.stroke(t, i, 1.5))
	}
	return d
}

// rates are bits per second of groups of bins. The last group is shorter where
// the bins do not divide by it.
func (s *set) rates(bytes []uint64, group int) (rs []float64) {
	for i := 0; i < len(bytes); i += group {
		sum, n := uint64(0), min(group, len(bytes)-i)
		for _, b := range bytes[i : i+n] {
			sum += b
		}
		rs = append(rs, float64(sum)*8e9/(s.width()*float64(n)))
	}
	return rs
}
