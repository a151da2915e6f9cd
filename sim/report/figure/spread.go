package figure

import (
	"math"
	"slices"
	"strings"

	"github.com/uqtool/uq/sim/report/series"
	"github.com/uqtool/uq/sim/report/svg"
)

func (s *set) cdf(t svg.Theme, width float64) *svg.Drawing {
	d := s.new("sojourn distribution", width, height, t)
	var all [][]int64
	for _, x := range s.data {
		all = append(all, x.Distribution.Spans)
	}
	least, most := extent(all...)
	if most == 0 {
		return empty(d)
	}
	x := spanAxis("sojourn", least, most)
	p := d.Plot(x, svg.Axis{Label: "share of packets", Unit: svg.Percent, Hi: 1}, s.keys(t)...)
	for i, data := range s.data {
		dist := &data.Distribution
		shares := make([]float64, len(dist.Percentiles))
		for j, v := range dist.Percentiles {
			shares[j] = v / 100
		}
		p.Line(seconds(dist.Spans, x.Lo), shares, s.stroke(t, i, 1.8))
	}
	return d
}

// box is a row of a box plot.
type box struct {
	name   string
	run    int
	spread *series.Distribution
}

func (s *set) boxes(t svg.Theme, width float64) *svg.Drawing {
	var rows []box
	for i, x := range s.data {
		rows = append(rows, box{s.r.Label(i), i, &x.Distribution})
	}
	return s.boxPlot("sojourn by qdisc", rows, 34, width, t)
}

// boxFlows is how many flows have boxes.
const boxFlows = 8

// flowBoxes has a row for each flow under each qdisc. The flows are the first
// run's.
func (s *set) flowBoxes(t svg.Theme, width float64) *svg.Drawing {
	var rows []box
	if len(s.data) > 0 {
		for _, f := range s.data[0].Flows[:min(boxFlows, len(s.data[0].Flows))] {
			name := f.Flow.String()
			for i, x := range s.data {
				at := slices.IndexFunc(x.Flows, func(g series.Flow) bool { return g.Flow.FlowKey == f.Flow.FlowKey })
				if at >= 0 {
					rows = append(rows, box{name, i, &x.Flows[at].Distribution})
					name = ""
				}
			}
		}
	}
	return s.boxPlot("sojourn by flow", rows, 18, width, t)
}

func (s *set) boxPlot(title string, rows []box, pitch, width float64, t svg.Theme) *svg.Drawing {
	letters := int(width * 0.42 / 6.2)
	widest, all := 60.0, [][]int64{}
	for _, r := range rows {
		widest = max(widest, svg.TextWidth(shorten(r.name, letters), 11)+20)
		all = append(all, r.spread.Spans)
	}
	m := svg.DefaultMargins
	top := m.Top
	h := m.Top + 30 + float64(len(rows))*pitch + m.Bottom
	d := s.new(title, width, max(h, 140), t)
	least, most := extent(all...)
	if most == 0 {
		return empty(d)
	}
	if len(rows) > len(s.data) {
		top = d.Legend(m.Left, m.Top, width-m.Right, s.keys(t))
	}
	x := spanAxis("sojourn", least, most)
	p := d.PlotIn(widest, top+4, width-m.Right, d.Height-m.Bottom, x, svg.Axis{Lo: -0.5, Hi: float64(len(rows)) - 0.5, Flip: true, Names: names(rows, letters)})
	for i, r := range rows {
		s.box(d, p, p.Y.At(float64(i)), pitch*0.34, x.Lo, r, t)
	}
	return d
}

func names(rows []box, letters int) (ns []string) {
	for _, r := range rows {
		ns = append(ns, shorten(r.name, letters))
	}
	return ns
}

// shorten cuts the middle out of long words.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n/2]) + "…" + string(r[len(r)-n/2:])
}

// box draws one distribution around the height y.
func (s *set) box(d *svg.Drawing, p *svg.Plot, y, half, lo float64, r box, t svg.Theme) {
	if r.spread.Count == 0 {
		d.Text(p.Left+6, y+4, "no packets", svg.Font{Size: 10, Colour: t.Faint})
		return
	}
	at := func(percentile float64) float64 { return p.X.At(max(float64(r.spread.At(percentile))/1e9, lo)) }
	line := s.stroke(t, r.run, 1.5)
	line.Dash = ""
	d.Line(at(1), y, at(25), y, line)
	d.Line(at(75), y, at(99), y, line)
	for _, end := range []float64{1, 99} {
		d.Line(at(end), y-half/2, at(end), y+half/2, line)
	}
	d.Rect(at(25), y-half, at(75)-at(25), 2*half, svg.Fill{Colour: line.Colour, Opacity: 0.25}, line, r.describe(s))
	line.Width = 3
	d.Line(at(50), y-half, at(50), y+half, line)
	d.Circle(at(100), y, 2.2, svg.Fill{Colour: line.Colour}, svg.Stroke{}, "max "+span(r.spread.At(100)))
}

// describe is the box in words.
func (r *box) describe(s *set) string {
	parts := []string{s.r.Label(r.run)}
	if r.name != "" && r.name != parts[0] {
		parts = append(parts, r.name)
	}
	for _, q := range []struct {
		at   float64
		name string
	}{{1, "p1"}, {25, "p25"}, {50, "p50"}, {75, "p75"}, {99, "p99"}, {100, "max"}} {
		parts = append(parts, q.name+" "+span(r.spread.At(q.at)))
	}
	return strings.Join(parts, ", ")
}

// ellipsePoints is at most how many intervals an ellipse is over.
const ellipsePoints = 128

// cloud is the intervals of a run: each one's delay as log10 of seconds, and its
// throughput in bit/s.
type cloud struct{ delay, rate []float64 }

// cloud leaves out the intervals in which nothing left the queue.
func (s *set) cloud(x *series.Data) (c cloud) {
	g := s.group(ellipsePoints)
	rates := s.rates(x.Total.Bytes, g)
	for i := range rates {
		var n, sum float64
		for j := i * g; j < min((i+1)*g, len(x.Total.Count)); j++ {
			if k := float64(x.Total.Count[j]); k > 0 {
				n += k
				sum += k * float64(x.Total.Mean[j])
			}
		}
		if n > 0 {
			c.delay = append(c.delay, math.Log10(max(sum/n, minSpan)/1e9))
			c.rate = append(c.rate, rates[i])
		}
	}
	return c
}

// contour is the 1-sigma ellipse of the cloud, and its middle.
func (c *cloud) contour() (xs, ys []float64, mx, my float64) {
	mx, my = mean(c.delay), mean(c.rate)
	var xx, yy, xy float64
	for i := range c.delay {
		dx, dy := c.delay[i]-mx, c.rate[i]-my
		xx, yy, xy = xx+dx*dx, yy+dy*dy, xy+dx*dy
	}
	n := float64(len(c.delay))
	xx, yy, xy = xx/n, yy/n, xy/n
	// The Cholesky factor takes the unit circle to the contour.
	a := math.Sqrt(xx)
	b := 0.0
	if a > 0 {
		b = xy / a
	}
	e := math.Sqrt(max(yy-b*b, 0))
	const steps = 72
	for i := range steps {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / steps)
		xs, ys = append(xs, mx+a*cos), append(ys, my+b*cos+e*sin)
	}
	return xs, ys, mx, my
}

func mean(vs []float64) float64 {
	sum := 0.0
	for _, v := range vs {
		sum += v
	}
	return sum / float64(max(len(vs), 1))
}

func (s *set) ellipse(t svg.Theme, width float64) *svg.Drawing {
	d := s.new("delay and throughput", width, height, t)
	clouds := make([]cloud, len(s.data))
	least, most, fastest := math.Inf(1), math.Inf(-1), 0.0
	for i, x := range s.data {
		clouds[i] = s.cloud(x)
		for j := range clouds[i].delay {
			least, most = min(least, clouds[i].delay[j]), max(most, clouds[i].delay[j])
			fastest = max(fastest, clouds[i].rate[j])
		}
	}
	if fastest == 0 {
		return empty(d)
	}
	x := spanAxis("mean sojourn (better to the right)", int64(math.Pow(10, least)*1e9), int64(math.Pow(10, most)*1e9))
	x.Flip = true
	_, hi := svg.Nice(0, fastest*1.1, 6) // room for the contour
	p := d.Plot(x, svg.Axis{Label: "throughput", Unit: svg.Bits, Hi: hi}, s.keys(t)...)
	for i := range clouds {
		p.Dots(powers(clouds[i].delay), clouds[i].rate, 1.8, svg.Fill{Colour: t.Series(s.colours[i]), Opacity: 0.35})
	}
	for i := range clouds {
		if len(clouds[i].delay) == 0 {
			continue
		}
		xs, ys, mx, my := clouds[i].contour()
		p.Outline(powers(xs), ys, svg.Fill{Colour: t.Series(s.colours[i]), Opacity: 0.12}, s.stroke(t, i, 1.8))
		p.Dots(powers([]float64{mx}), []float64{my}, 5, svg.Fill{Colour: t.Series(s.colours[i])})
	}
	return d
}

func powers(exponents []float64) []float64 {
	out := make([]float64, len(exponents))
	for i, e := range exponents {
		out[i] = math.Pow(10, e)
	}
	return out
}
