// Package svg draws plain SVG: lines, areas, boxes, words, and a frame with
// axes around them. It knows nothing of queues.
//
//	d := svg.New(640, 360, "queue depth", svg.Paper)
//	line := svg.Stroke{Colour: d.Theme.Series(0), Width: 1.5}
//	p := d.Plot(svg.Axis{Label: "time", Unit: svg.Seconds, Lo: 0, Hi: 30},
//		svg.Axis{Label: "packets", Lo: 0, Hi: 100}, svg.Key{Name: "pfifo", Stroke: line})
//	p.Line(xs, ys, line)
//	d.WriteTo(w)
//
// The same calls give the same bytes. All words are escaped.
package svg

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Drawing is an SVG in the making. Coordinates are pixels from the top left.
type Drawing struct {
	Width, Height float64
	Theme         Theme

	b     strings.Builder
	clips int
	title string
}

// New begins a drawing; title is what a screen reader says of it.
func New(width, height float64, title string, t Theme) *Drawing {
	return &Drawing{Width: width, Height: height, Theme: t, title: title}
}

// Stroke is how a line is drawn. The zero value draws nothing.
type Stroke struct {
	Colour  string
	Width   float64 // 0 is 1
	Dash    string  // as stroke-dasharray; "" is solid
	Opacity float64 // 0 is 1
}

// Fill is how an area is filled. The zero value fills nothing.
type Fill struct {
	Colour  string
	Opacity float64 // 0 is 1
}

// Font is how words are set.
type Font struct {
	Colour string  // "" is the theme's ink
	Size   float64 // 0 is 12
	Bold   bool
	Anchor string // start, middle or end; "" is start
	Turned bool   // a quarter to the left
}

// Line draws a straight line.
func (d *Drawing) Line(x1, y1, x2, y2 float64, s Stroke) {
	fmt.Fprintf(&d.b, `<line x1="%s" y1="%s" x2="%s" y2="%s"%s/>`+"\n", num(x1), num(y1), num(x2), num(y2), s.attrs())
}

// Polyline draws a line through points; one that is not a number interrupts it.
func (d *Drawing) Polyline(xs, ys []float64, s Stroke) {
	if path := pathOf(xs, ys); path != "" {
		fmt.Fprintf(&d.b, `<path d="%s" fill="none" stroke-linejoin="round"%s/>`+"\n", path, s.attrs())
	}
}

// Polygon fills and outlines the area within the points.
func (d *Drawing) Polygon(xs, ys []float64, f Fill, s Stroke) {
	if path := pathOf(xs, ys); path != "" {
		fmt.Fprintf(&d.b, `<path d="%sZ"%s%s/>`+"\n", path, f.attrs(), s.attrs())
	}
}

// Rect draws a box; a note, if any, is shown where a pointer rests on it.
func (d *Drawing) Rect(x, y, w, h float64, f Fill, s Stroke, note string) {
	fmt.Fprintf(&d.b, `<rect x="%s" y="%s" width="%s" height="%s"%s%s`, num(x), num(y), num(max(w, 0)), num(max(h, 0)), f.attrs(), s.attrs())
	d.end("rect", note)
}

// Circle draws a circle; a note, if any, is shown where a pointer rests on it.
func (d *Drawing) Circle(x, y, r float64, f Fill, s Stroke, note string) {
	fmt.Fprintf(&d.b, `<circle cx="%s" cy="%s" r="%s"%s%s`, num(x), num(y), num(r), f.attrs(), s.attrs())
	d.end("circle", note)
}

func (d *Drawing) end(element, note string) {
	if note == "" {
		d.b.WriteString("/>\n")
		return
	}
	fmt.Fprintf(&d.b, "><title>%s</title></%s>\n", escape(note), element)
}

// Text sets words on a baseline.
func (d *Drawing) Text(x, y float64, words string, f Font) {
	if f.Size == 0 {
		f.Size = 12
	}
	if f.Colour == "" {
		f.Colour = d.Theme.Ink
	}
	fmt.Fprintf(&d.b, `<text x="%s" y="%s" font-size="%s" fill="%s"`, num(x), num(y), num(f.Size), escape(f.Colour))
	if f.Anchor != "" {
		fmt.Fprintf(&d.b, ` text-anchor="%s"`, escape(f.Anchor))
	}
	if f.Bold {
		d.b.WriteString(` font-weight="600"`)
	}
	if f.Turned {
		fmt.Fprintf(&d.b, ` transform="rotate(-90 %s %s)"`, num(x), num(y))
	}
	fmt.Fprintf(&d.b, ">%s</text>\n", escape(words))
}

// Clip keeps what is drawn until Unclip within a box.
func (d *Drawing) Clip(x, y, w, h float64) {
	id := fmt.Sprintf("%sclip%d", d.Theme.Prefix, d.clips)
	d.clips++
	fmt.Fprintf(&d.b, `<clipPath id="%s"><rect x="%s" y="%s" width="%s" height="%s"/></clipPath><g clip-path="url(#%s)">`+"\n",
		escape(id), num(x), num(y), num(w), num(h), escape(id))
}

// Unclip ends a Clip.
func (d *Drawing) Unclip() { d.b.WriteString("</g>\n") }

// WriteTo writes the drawing. It may be called again.
func (d *Drawing) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, d.String())
	return int64(n), err
}

// String is the drawing as text.
func (d *Drawing) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %s %s" role="img" font-family="%s">`+"\n",
		num(d.Width), num(d.Height), num(d.Width), num(d.Height), escape(d.Theme.Font))
	fmt.Fprintf(&b, "<title>%s</title>\n", escape(d.title))
	if d.Theme.Paper != "" {
		fmt.Fprintf(&b, `<rect width="%s" height="%s" fill="%s"/>`+"\n", num(d.Width), num(d.Height), escape(d.Theme.Paper))
	}
	b.WriteString(d.b.String())
	b.WriteString("</svg>\n")
	return b.String()
}

func (s Stroke) attrs() string {
	if s.Colour == "" {
		return ""
	}
	b := fmt.Sprintf(` stroke="%s"`, escape(s.Colour))
	if s.Width != 0 {
		b += fmt.Sprintf(` stroke-width="%s"`, num(s.Width))
	}
	if s.Dash != "" {
		b += fmt.Sprintf(` stroke-dasharray="%s"`, escape(s.Dash))
	}
	if s.Opacity != 0 {
		b += fmt.Sprintf(` stroke-opacity="%s"`, num(s.Opacity))
	}
	return b
}

func (f Fill) attrs() string {
	if f.Colour == "" {
		return ` fill="none"`
	}
	b := fmt.Sprintf(` fill="%s"`, escape(f.Colour))
	if f.Opacity != 0 {
		b += fmt.Sprintf(` fill-opacity="%s"`, num(f.Opacity))
	}
	return b
}

// pathOf joins points; "" if there are none.
func pathOf(xs, ys []float64) string {
	var b strings.Builder
	pen := byte('M')
	for i := range min(len(xs), len(ys)) {
		if bad(xs[i]) || bad(ys[i]) {
			pen = 'M'
			continue
		}
		b.WriteByte(pen)
		b.WriteString(num(xs[i]))
		b.WriteByte(' ')
		b.WriteString(num(ys[i]))
		pen = 'L'
	}
	return b.String()
}

func bad(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

// num prints a coordinate with at most two decimals.
func num(v float64) string {
	if bad(v) {
		return "0"
	}
	s := strconv.FormatFloat(v, 'f', 2, 64)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}

// escape makes words safe in text and attributes. Characters that XML does not
// allow become the replacement character.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case r == '"':
			b.WriteString("&quot;")
		case r < ' ' && r != '\t' && r != '\n', r == 0xfffe, r == 0xffff:
			b.WriteRune('\ufffd')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
