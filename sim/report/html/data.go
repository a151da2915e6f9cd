package html

import (
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/report/figure"
	"github.com/uqtool/uq/sim/report/series"
)

// pageFlows is how many flows of each run the page has series of; the others are
// one.
const pageFlows = 8

// pageColours is how many colours the page has for lines, and othersColour the
// one besides.
const (
	pageColours  = 7
	othersColour = 7
)

// data is what the page's script reads. Spans are ns, -1 where there is none.
type data struct {
	Start  int64          `json:"start_ns"`
	Width  int64          `json:"width_ns"`
	Bins   int            `json:"bins"`
	Runs   []run          `json:"runs"`
	Report *report.Report `json:"report"`
}

type run struct {
	Label  string `json:"label"`
	Line   string `json:"line"`
	Colour int    `json:"colour"`
	Dash   int    `json:"dash"`
	Total  total  `json:"total"`
	CDF    *cdf   `json:"cdf"`
	Flows  []flow `json:"flows"`
}

// total has an element a bin, as line.
type total struct {
	line
	Arrived    []uint64 `json:"arrived"`
	Min        []int64  `json:"min"`
	P50        []int64  `json:"p50"`
	P99        []int64  `json:"p99"`
	QueueMin   []int64  `json:"queue_min"`
	QueueMax   []int64  `json:"queue_max"`
	QueueBytes []int64  `json:"queue_bytes"`
}

type line struct {
	Count []uint64 `json:"count"`
	Mean  []int64  `json:"mean"`
	Max   []int64  `json:"max"`
	Bytes []uint64 `json:"bytes"`
	Drops []uint32 `json:"drops"`
	Marks []uint32 `json:"marks"`
}

type flow struct {
	Name   string `json:"name"`
	Since  int64  `json:"since_ns"`
	Colour int    `json:"colour"`
	Dash   int    `json:"dash"`
	CDF    *cdf   `json:"cdf"`
	line
}

type cdf struct {
	Percent []float64 `json:"percent"`
	Spans   []int64   `json:"ns"`
}

func (p *Page) data() *data {
	d := &data{Report: p.Report, Runs: []run{}}
	colours := figure.Colours(p.Report)
	for i, s := range p.Series {
		d.Start, d.Width, d.Bins = int64(s.Start), int64(s.Width), len(s.Arrived)
		d.Runs = append(d.Runs, run{
			Label: p.Report.Label(i), Line: p.Report.Runs[i].Line,
			Colour: colours[i] % pageColours, Dash: colours[i] / pageColours,
			Total: total{lineOf(s.Total), s.Arrived, s.Min, s.P50, s.P99, s.QueueMin, s.QueueMax, s.QueueBytes},
			CDF:   cdfOf(&s.Distribution), Flows: flowsOf(s),
		})
	}
	return d
}

func lineOf(l series.Line) line { return line(l) }

func cdfOf(d *series.Distribution) *cdf {
	if d.Count == 0 {
		return nil
	}
	return &cdf{d.Percentiles, d.Spans}
}

// flowsOf are the largest flows, and the rest as one if there is any.
func flowsOf(s *series.Data) []flow {
	fs := []flow{}
	n := min(pageFlows, len(s.Flows))
	for i, f := range s.Flows[:n] {
		fs = append(fs, flow{
			Name: f.Flow.String(), Since: int64(f.Since), Colour: i % pageColours, Dash: i / pageColours,
			CDF: cdfOf(&f.Distribution), line: lineOf(f.Line),
		})
	}
	rest := series.Sum(append(s.Flows[n:len(s.Flows):len(s.Flows)], s.Others))
	if !rest.Empty() {
		fs = append(fs, flow{Name: "others", Colour: othersColour, line: lineOf(rest)})
	}
	return fs
}
