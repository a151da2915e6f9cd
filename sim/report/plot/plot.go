// Package plot draws a report in a terminal: a sparkline a qdisc, and the
// distribution of sojourns.
//
//	sojourn p99, each 563ms, 2.2ms to 752ms; right: of the run
//	  pfifo     ▄▅▅▆▆▇▇▇▇████████████████  736ms
//	  fq_codel  ▅▄▄▃▄▃▃▄▃▄▁▃▃▁▂▃▂▃▂▃▃▂▂▁  53.3ms
package plot

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"

	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/report/figure"
	"github.com/uqtool/uq/sim/report/series"
)

// Options say what the terminal can do.
type Options struct {
	// Width is how many columns it has; fewer than MinWidth count as that.
	Width int
	// Colour has qdiscs in the colours of the other reports.
	Colour bool
	// ASCII is for terminals without block characters.
	ASCII bool
}

// The widths a plot may have: a line of dots says no more when it is longer.
const (
	MinWidth = 40
	MaxWidth = 160
)

// plot is one being written.
type plot struct {
	strings.Builder
	Options
	r       *report.Report
	data    []*series.Data
	colours []int
	labels  []string
	widest  int // label, in columns
}

// Write draws the report. There is a series for every run.
func Write(w io.Writer, r *report.Report, data []*series.Data, o Options) error {
	o.Width = min(max(o.Width, MinWidth), MaxWidth)
	p := &plot{Options: o, r: r, data: data, colours: figure.Colours(r)}
	for i := range data {
		p.labels = append(p.labels, r.Label(i))
		p.widest = max(p.widest, Columns(p.labels[i]))
	}
	if len(data) > 0 {
		p.sojourn()
		p.throughput()
		p.cdf()
	}
	_, err := io.WriteString(w, p.String())
	return err
}

// room is how many columns a sparkline has beside its label and its number.
func (p *plot) room() int { return max(p.Width-p.widest-4-valueWidth, 8) }

// valueWidth is that of the number after a sparkline, with a space before it.
const valueWidth = 10

// cells are the runs' bins in as many groups as there is room for, each reduced
// to one value; NaN where it has none. A group has at least so many bins.
func (p *plot) cells(least int, value func(d *series.Data, from, to int) float64) (all [][]float64, each float64) {
	bins := len(p.data[0].Arrived)
	group := min(max((bins+p.room()-1)/p.room(), least, 1), bins)
	for _, d := range p.data {
		var vs []float64
		for i := 0; i < bins; i += group {
			vs = append(vs, value(d, i, min(i+group, bins)))
		}
		all = append(all, vs)
	}
	return all, float64(p.data[0].Width) * float64(group) / 1e3
}

func (p *plot) sojourn() {
	cells, each := p.cells(1, func(d *series.Data, from, to int) float64 {
		most := int64(series.None)
		for i := from; i < to; i++ {
			most = max(most, d.P99[i])
		}
		if most == series.None {
			return math.NaN()
		}
		return math.Log10(max(float64(most)/1e3, minSpan))
	})
	lo, hi := bounds(cells)
	if math.IsNaN(lo) {
		p.WriteString("no packets\n")
		return
	}
	lo = max(lo, hi-maxDecades)
	low, high := math.Pow(10, lo), math.Pow(10, hi)
	between := fmt.Sprintf("%s to %s", report.Span(&low), report.Span(&high))
	switch {
	case low == high && high <= minSpan:
		between = "at most " + report.Span(&high)
	case low == high:
		between = report.Span(&high)
	}
	p.say(fmt.Sprintf("sojourn p99, each %s, %s; right: of the run", report.Span(&each), between))
	for i, vs := range cells {
		p.row(i, vs, lo, hi, report.Span(p.r.Runs[i].Sojourn.P99))
	}
}

// A plot of sojourns begins at a microsecond, or later if it ends much later.
const (
	minSpan    = 1 // us
	maxDecades = 4
)

// cellPackets is how many packets a value of throughput is of, on average: one
// counts as a whole when it is delivered, and would show a rate that the link does
// not have where its transmission takes longer than a cell.
const cellPackets = 4

// packetBins is how many bins have so many packets in every run.
func (p *plot) packetBins() int {
	least := 1
	for _, d := range p.data {
		packets := uint64(0)
		for _, n := range d.Total.Count {
			packets += n
		}
		if packets > 0 {
			least = max(least, int((uint64(len(d.Total.Count))*cellPackets+packets-1)/packets))
		}
	}
	return least
}

func (p *plot) throughput() {
	cells, each := p.cells(p.packetBins(), func(d *series.Data, from, to int) float64 {
		sum := uint64(0)
		for _, n := range d.Total.Bytes[from:to] {
			sum += n
		}
		if sum == 0 {
			return math.NaN()
		}
		return float64(sum) * 8e9 / (float64(d.Width) * float64(to-from))
	})
	_, hi := bounds(cells)
	if !(hi > 0) {
		return
	}
	p.say(fmt.Sprintf("throughput, each %s, 0 to %s; right: of the run", report.Span(&each), report.Rate(hi)))
	for i, vs := range cells {
		p.row(i, vs, 0, hi, report.Rate(p.r.Runs[i].Throughput))
	}
}

// bounds are the least and the most of all; NaN without any.
func bounds(all [][]float64) (lo, hi float64) {
	lo, hi = math.NaN(), math.NaN()
	for _, vs := range all {
		for _, v := range vs {
			if !math.IsNaN(v) && !(v >= lo) {
				lo = v
			}
			if !math.IsNaN(v) && !(v <= hi) {
				hi = v
			}
		}
	}
	return lo, hi
}

var (
	blocks = []rune("▁▂▃▄▅▆▇█")
	levels = []rune("_.-:=+*#") // where there are no blocks
)

// row is a sparkline with its label and a number.
func (p *plot) row(run int, vs []float64, lo, hi float64, number string) {
	steps := blocks
	if p.ASCII {
		steps = levels
	}
	b := &strings.Builder{}
	for _, v := range vs {
		if math.IsNaN(v) {
			b.WriteByte(' ')
			continue
		}
		at := 0
		if hi > lo {
			at = int((v - lo) / (hi - lo) * float64(len(steps)))
		}
		b.WriteRune(steps[min(max(at, 0), len(steps)-1)])
	}
	fmt.Fprintf(p, "  %s  %s %*s\n", pad(p.labels[run], p.widest), p.paint(run, b.String()), valueWidth-2, number)
}

// terminalColours are those of the other reports, from the 256 of terminals.
var terminalColours = [...]int{32, 166, 36, 175, 178, 74, 245}

// say writes words, in as many lines as they take.
func (p *plot) say(words string) {
	at := 0
	for i, w := range strings.Fields(words) {
		n := Columns(bare(w))
		switch {
		case i > 0 && at+1+n > p.Width:
			p.WriteString("\n  ")
			at = 2
		case i > 0:
			p.WriteByte(' ')
			at++
		}
		p.WriteString(w)
		at += n
	}
	p.WriteByte('\n')
}

// paint gives words a run's colour.
func (p *plot) paint(run int, words string) string {
	if !p.Colour {
		return words
	}
	return colour(terminalColours[p.colours[run]%len(terminalColours)]) + words + noColour
}

func colour(n int) string { return fmt.Sprintf("\x1b[38;5;%dm", n) }

const noColour = "\x1b[0m"

// bare takes the colours off painted words.
func bare(words string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(words, "\x1b[")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		_, words, _ = strings.Cut(after, "m")
	}
}

// pad fills words up to a width in columns.
func pad(words string, width int) string {
	return words + strings.Repeat(" ", max(width-Columns(words), 0))
}

// Columns is how many columns of a terminal words take: East Asian wide
// characters two, combining ones none.
func Columns(words string) (n int) {
	for _, r := range words {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case wide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

// wide are the blocks whose characters take two columns (UAX 11, W and F).
func wide(r rune) bool {
	for _, span := range [...][2]rune{
		{0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe30, 0xfe6f},
		{0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
	} {
		if r >= span[0] && r <= span[1] {
			return true
		}
	}
	return false
}
