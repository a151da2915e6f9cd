package plot

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/report/series"
)

// cdfRows is how many lines the distribution has, a share each: 100% above, 0%
// below.
const cdfRows = 11

// axisWidth is that of the shares before the distribution.
const axisWidth = 6

// cdf draws the share of packets that left the queue within a time, on a
// logarithmic axis, each run with a letter of its own.
func (p *plot) cdf() {
	lo, hi := p.spans()
	if !(hi > lo) {
		return
	}
	letters, width := p.letters(), p.Width-axisWidth-1
	grid := make([][]int, cdfRows) // run plus 1, 0 where there is none
	for row := range grid {
		grid[row] = make([]int, width)
	}
	for run := len(p.data) - 1; run >= 0; run-- { // the first lies on top
		last := -1
		for x := range width {
			at := math.Pow(10, lo+(hi-lo)*(float64(x)+0.5)/float64(width))
			row := int(math.Round((1 - share(&p.data[run].Distribution, at)) * (cdfRows - 1)))
			from, to := row, row
			if last > row { // steep: no gap
				to = last - 1
			}
			for y := from; y <= to; y++ {
				grid[y][x] = run + 1
			}
			last = row
		}
	}
	var names []string
	for i, l := range p.labels {
		names = append(names, p.paint(i, string(letters[i]))+"="+l)
	}
	p.say("share of packets within a sojourn: " + strings.Join(names, ", "))
	p.grid(grid, letters)
	p.axis(lo, hi, width)
}

// grid prints the rows, equal neighbours in one colour.
func (p *plot) grid(grid [][]int, letters []byte) {
	for row, cells := range grid {
		label := ""
		if row%5 == 0 {
			label = fmt.Sprintf("%d%%", 100-row*100/(cdfRows-1))
		}
		b := &strings.Builder{}
		for x := 0; x < len(cells); {
			run, from := cells[x], x
			for x < len(cells) && cells[x] == run {
				x++
			}
			if run == 0 {
				b.WriteString(strings.Repeat(" ", x-from))
			} else {
				b.WriteString(p.paint(run-1, strings.Repeat(string(letters[run-1]), x-from)))
			}
		}
		fmt.Fprintf(p, "%*s |%s\n", axisWidth-1, label, strings.TrimRight(b.String(), " "))
	}
}

// axis prints the spans below the grid, at powers of ten.
func (p *plot) axis(lo, hi float64, width int) {
	marks, words := []byte(strings.Repeat("-", width)), []byte(strings.Repeat(" ", width))
	for e := math.Ceil(lo - 1e-9); e <= hi+1e-9; e++ {
		at := min(int((e-lo)/(hi-lo)*float64(width)), width-1)
		us := math.Pow(10, e)
		marks[at] = '+'
		word := report.Span(&us)
		copy(words[max(min(at, width-len(word)), 0):], word)
	}
	fmt.Fprintf(p, "%*s +%s\n%*s  %s\n", axisWidth-1, "", marks, axisWidth-1, "", strings.TrimRight(string(words), " "))
}

// spans are the axis' ends as powers of ten us.
func (p *plot) spans() (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, d := range p.data {
		for _, ns := range d.Distribution.Spans {
			if us := float64(ns) / 1e3; us > 0 {
				lo, hi = min(lo, math.Log10(max(us, minSpan))), max(hi, math.Log10(max(us, minSpan)))
			}
		}
	}
	hi = math.Ceil(hi - 1e-9)
	return max(math.Floor(lo), hi-maxDecades-1), hi
}

// share is how much of a distribution took no longer than so many us.
func share(d *series.Distribution, us float64) float64 {
	i, _ := slices.BinarySearchFunc(d.Spans, us, func(ns int64, us float64) int {
		if float64(ns)/1e3 <= us {
			return -1
		}
		return 1
	})
	if i == 0 {
		return 0
	}
	return d.Percentiles[i-1] / 100
}

// letters are the first of each label's that no other run has, or else any.
func (p *plot) letters() []byte {
	out := make([]byte, len(p.labels))
	for i, label := range p.labels {
		for _, c := range []byte(strings.ToLower(label) + "abcdefghijklmnopqrstuvwxyz0123456789") {
			if (c >= 'a' && c <= 'z' || c >= '0' && c <= '9') && !slices.Contains(out[:i], c) {
				out[i] = c
				break
			}
		}
		if out[i] == 0 {
			out[i] = '*'
		}
	}
	return out
}
