package svg

import "math"

// Axis is one axis of a Plot.
type Axis struct {
	Label  string
	Unit   Unit // nil is Plain
	Lo, Hi float64
	Log    bool
	// Flip lets values grow to the left, or down.
	Flip bool
	// Names, if any, label the places 0, 1, 2 ... instead of ticks.
	Names []string
	// Ticks is about how many; 0 is one every 80 or 45 pixels.
	Ticks int
}

// Plot is a frame with axes. What its methods draw is in the axes' values and
// kept within the frame.
type Plot struct {
	X, Y                     Scale
	Left, Top, Right, Bottom float64

	d *Drawing
}

// Margins are the pixels around a frame.
type Margins struct{ Left, Top, Right, Bottom float64 }

// DefaultMargins leave room for the axes' labels.
var DefaultMargins = Margins{Left: 72, Top: 10, Right: 24, Bottom: 46}

// Plot draws a legend, if there are keys, and below it a frame with its axes
// over the rest of the drawing.
func (d *Drawing) Plot(x, y Axis, keys ...Key) *Plot {
	m := DefaultMargins
	top := m.Top
	if len(keys) > 0 {
		top = d.Legend(m.Left, m.Top, d.Width-m.Right, keys) + 8
	}
	return d.PlotIn(m.Left, top, d.Width-m.Right, d.Height-m.Bottom, x, y)
}

// PlotIn draws a frame with its axes; the labels go outside.
func (d *Drawing) PlotIn(left, top, right, bottom float64, x, y Axis) *Plot {
	p := &Plot{d: d, Left: left, Top: top, Right: right, Bottom: bottom}
	p.X = Scale{Lo: x.Lo, Hi: x.Hi, From: left, To: right, Log: x.Log}
	p.Y = Scale{Lo: y.Lo, Hi: y.Hi, From: bottom, To: top, Log: y.Log}
	if x.Flip {
		p.X.From, p.X.To = right, left
	}
	if y.Flip {
		p.Y.From, p.Y.To = top, bottom
	}
	p.xAxis(x)
	p.yAxis(y)
	d.Line(left, bottom, right, bottom, Stroke{Colour: d.Theme.Axis})
	d.Line(left, top, left, bottom, Stroke{Colour: d.Theme.Axis})
	return p
}

func (p *Plot) xAxis(x Axis) {
	d, labels := p.d, Font{Size: 11, Colour: p.d.Theme.Faint, Anchor: "middle"}
	for i, name := range x.Names {
		d.Text(p.X.At(float64(i)), p.Bottom+16, name, labels)
	}
	if x.Names == nil {
		for _, v := range p.X.Ticks(x.count(p.Right-p.Left, 80)) {
			at := p.X.At(v)
			d.Line(at, p.Top, at, p.Bottom, Stroke{Colour: d.Theme.Grid})
			d.Line(at, p.Bottom, at, p.Bottom+4, Stroke{Colour: d.Theme.Axis})
			d.Text(at, p.Bottom+16, x.print(v), labels)
		}
	}
	if x.Label != "" {
		d.Text((p.Left+p.Right)/2, p.Bottom+34, x.Label, Font{Anchor: "middle"})
	}
}

func (p *Plot) yAxis(y Axis) {
	d, labels := p.d, Font{Size: 11, Colour: p.d.Theme.Faint, Anchor: "end"}
	for i, name := range y.Names {
		d.Text(p.Left-8, p.Y.At(float64(i))+4, name, labels)
	}
	if y.Names == nil {
		for _, v := range p.Y.Ticks(y.count(p.Bottom-p.Top, 45)) {
			at := p.Y.At(v)
			d.Line(p.Left, at, p.Right, at, Stroke{Colour: d.Theme.Grid})
			d.Line(p.Left-4, at, p.Left, at, Stroke{Colour: d.Theme.Axis})
			d.Text(p.Left-8, at+4, y.print(v), labels)
		}
	}
	if y.Label != "" {
		d.Text(p.Left-58, (p.Top+p.Bottom)/2, y.Label, Font{Anchor: "middle", Turned: true})
	}
}

func (a Axis) count(pixels, each float64) int {
	if a.Ticks > 0 {
		return a.Ticks
	}
	return max(int(pixels/each), 2)
}

func (a Axis) print(v float64) string {
	if a.Unit == nil {
		return Plain(v)
	}
	return a.Unit(v)
}

// place maps points to pixels. On a logarithmic axis what is not above 0 has no
// place and interrupts a line.
func (p *Plot) place(xs, ys []float64) (px, py []float64) {
	n := min(len(xs), len(ys))
	px, py = make([]float64, n), make([]float64, n)
	for i := range n {
		px[i], py[i] = p.X.At(xs[i]), p.Y.At(ys[i])
	}
	return px, py
}

func (p *Plot) clip() { p.d.Clip(p.Left, p.Top-1, p.Right-p.Left, p.Bottom-p.Top+2) }

// Line draws a line through points; NaN interrupts it.
func (p *Plot) Line(xs, ys []float64, s Stroke) {
	px, py := p.place(xs, ys)
	p.clip()
	p.d.Polyline(px, py, s)
	p.d.Unclip()
}

// Band fills the area between two lines, in pieces where one is NaN.
func (p *Plot) Band(xs, low, high []float64, f Fill) {
	n := min(len(xs), len(low), len(high))
	p.clip()
	defer p.d.Unclip()
	for i := 0; i < n; i++ {
		j := i
		var px, py, back []float64
		for ; j < n && !bad(p.Y.At(low[j])) && !bad(p.Y.At(high[j])); j++ {
			px, py, back = append(px, p.X.At(xs[j])), append(py, p.Y.At(high[j])), append(back, p.Y.At(low[j]))
		}
		for k := len(back) - 1; k >= 0; k-- {
			px, py = append(px, px[k]), append(py, back[k])
		}
		if j > i+1 {
			p.d.Polygon(px, py, f, Stroke{})
		}
		i = j
	}
}

// Dots draws a dot at each point.
func (p *Plot) Dots(xs, ys []float64, r float64, f Fill) {
	px, py := p.place(xs, ys)
	p.clip()
	for i := range px {
		if !bad(px[i]) && !bad(py[i]) {
			p.d.Circle(px[i], py[i], r, f, Stroke{}, "")
		}
	}
	p.d.Unclip()
}

// Outline fills and outlines the area within points.
func (p *Plot) Outline(xs, ys []float64, f Fill, s Stroke) {
	px, py := p.place(xs, ys)
	p.clip()
	p.d.Polygon(px, py, f, s)
	p.d.Unclip()
}

// Key is an entry of a legend.
type Key struct {
	Name   string
	Stroke Stroke
}

// Legend names series in rows from the given top on, and returns where they end.
func (d *Drawing) Legend(left, top, right float64, keys []Key) (bottom float64) {
	x, y := left, top+14
	for _, k := range keys {
		w := 26 + TextWidth(k.Name, 12) + 18
		if x > left && x+w > right+18 {
			x, y = left, y+16
		}
		k.Stroke.Width = max(k.Stroke.Width, 2)
		d.Line(x, y-4, x+20, y-4, k.Stroke)
		d.Text(x+26, y, k.Name, Font{})
		x += w
	}
	return y + 4
}

// TextWidth is about how wide words are in a font size, in pixels; wide
// characters count double.
func TextWidth(words string, size float64) float64 {
	n := 0.0
	for _, r := range words {
		if r >= 0x1100 {
			n += 1.75
		} else {
			n++
		}
	}
	return math.Ceil(n * size * 0.56)
}
