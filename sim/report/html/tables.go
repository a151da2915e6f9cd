package html

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/report/figure"
)

// tile is a run at a glance.
type tile struct {
	Label, Line, P50, P99, Throughput, Drops, Marks string
	Colour                                          int
}

// summary is the report's table of runs.
type summary struct {
	Head []string
	Rows []summaryRow
}

type summaryRow struct {
	Name   string
	Colour int
	Cells  []string
}

// flowTable has a row for each listed flow, with every run's columns.
type flowTable struct {
	Total int
	Jain  string // the flows that its index is over
	Runs  []summaryRow
	Rows  []flowRow
}

type flowRow struct {
	Name  string
	Cells []cell
}

// cell is a number in words; Value is what it is sorted by, "" for none.
type cell struct {
	Text, Value string
	First       bool // of a run's columns
}

func (p *Page) title() string {
	var names []string
	for i := range p.Report.Runs {
		names = append(names, p.Report.Label(i))
	}
	return strings.Join(names, ", ") + " by uq"
}

// lede says the outcome in a sentence.
func (p *Page) lede() string {
	var said []string
	for i, r := range p.Report.Runs {
		if r.Sojourn.P99 != nil {
			said = append(said, report.Span(r.Sojourn.P99)+" under "+p.Report.Label(i))
		}
	}
	const most = "99 of 100 packets waited no longer than "
	switch n := len(said); {
	case n == 0:
		return "No packet left a queue."
	case n > 5:
		return fmt.Sprintf("%d qdiscs met the same %d packets.", len(p.Report.Runs), p.Report.Runs[0].ArrivedPackets)
	case n == 1:
		return most + said[0] + "."
	default:
		return most + strings.Join(said[:n-1], ", ") + " and " + said[n-1] + "."
	}
}

func (p *Page) tiles() (ts []tile) {
	colours := figure.Colours(p.Report)
	for i, r := range p.Report.Runs {
		ts = append(ts, tile{
			Label: p.Report.Label(i), Line: r.Line, Colour: colours[i] % pageColours,
			P50: report.Span(r.Sojourn.P50), P99: report.Span(r.Sojourn.P99), Throughput: report.Rate(r.Throughput),
			Drops: fmt.Sprint(r.Dropped), Marks: fmt.Sprint(r.Marks),
		})
	}
	return ts
}

func (p *Page) summary() (s summary) {
	colours := figure.Colours(p.Report)
	for i, row := range p.Report.Summary() {
		if i == 0 {
			s.Head = row
			continue
		}
		s.Rows = append(s.Rows, summaryRow{row[0], colours[i-1] % pageColours, row[1:]})
	}
	return s
}

// flows has the listed flows of the first run, and beside them what the other
// runs say of the same ones.
func (p *Page) flows() *flowTable {
	if len(p.Report.Runs) == 0 {
		return nil
	}
	first := p.Report.Runs[0]
	t := &flowTable{Total: first.FlowCount, Jain: first.JainFlows()}
	colours := figure.Colours(p.Report)
	for i := range p.Report.Runs {
		t.Runs = append(t.Runs, summaryRow{Name: p.Report.Label(i), Colour: colours[i] % pageColours})
	}
	for _, f := range first.Flows {
		row := flowRow{Name: f.Flow, Cells: []cell{count(f.ArrivedPackets)}}
		for _, r := range p.Report.Runs {
			at := slices.IndexFunc(r.Flows, func(g report.Flow) bool { return g.Flow == f.Flow })
			row.Cells = append(row.Cells, flowCells(r, at)...)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func flowCells(r *report.Run, at int) []cell {
	if at < 0 {
		return []cell{{Text: "-", First: true}, {Text: "-"}, {Text: "-"}, {Text: "-"}, {Text: "-"}}
	}
	f := &r.Flows[at]
	return []cell{
		{Text: report.Rate(f.Throughput), Value: number(f.Throughput), First: true},
		count(f.Drops), count(f.Marks), spanCell(f.Sojourn.P50), spanCell(f.Sojourn.P99),
	}
}

func count(n uint64) cell { return cell{Text: fmt.Sprint(n), Value: fmt.Sprint(n)} }

func spanCell(us *float64) cell {
	if us == nil {
		return cell{Text: "-"}
	}
	return cell{Text: report.Span(us), Value: number(*us)}
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }
