// Package html makes a page of a report: one file that needs nothing but a
// browser. It holds its data, its charts (uPlot) and its style, and its policy
// forbids it to fetch anything.
//
// The same report gives the same bytes. The data is binned (see series), so the
// page of a million packets is no larger than that of ten thousand.
package html

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/report/figure"
	"github.com/uqtool/uq/sim/report/series"
	"github.com/uqtool/uq/sim/report/svg"
)

//go:embed assets/page.html
var pageText string

//go:embed assets/report.css
var styleText string

//go:embed assets/report.js
var scriptText string

//go:embed assets/uPlot-1.6.32.min.css
var plotStyle string

//go:embed assets/uPlot-1.6.32.iife.min.js
var plotScript string

//go:embed assets/uPlot-LICENSE
var plotLicence string

// Page is what a page tells. There is a series for every run of the report.
type Page struct {
	Report *report.Report
	Series []*series.Data
	// Version is uq's, Command the line that makes the report again.
	Version, Command string
	// Sections follow the charts: the configuration, where the trace comes from.
	Sections []Section
}

// Section is a list of facts.
type Section struct {
	Title, Note string
	Rows        []Row
}

// Row is a fact; Warn has it repeated at the top of the page.
type Row struct {
	Key, Value string
	Warn       bool
}

// Write writes the page.
func Write(w io.Writer, p *Page) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	v, err := p.view()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return err
	}
	_, err = b.WriteTo(w)
	return err
}

// view is a Page as its template wants it.
type view struct {
	*Page
	Title, Lede, Hint   string
	Policy              string
	Style, Script, Data template.HTML
	Tiles               []tile
	Summary             summary
	Figures, Air        []drawing
	Medium              string // the medium in words, if there is one
	Flows               *flowTable
	Counters            string
}

// drawing is a figure for wide and for narrow screens.
type drawing struct {
	Title, Caption string
	Wide, Narrow   template.HTML
}

const (
	wide, narrow = 580, 350
)

func (p *Page) view() (*view, error) {
	style := plotStyle + "\n" + styleText
	script := "/* uPlot 1.6.32\n" + plotLicence + "*/\n" + plotScript + "\n" + scriptText
	data, err := p.json()
	if err != nil {
		return nil, err
	}
	v := &view{
		Page: p, Lede: p.lede(), Hint: report.LoopHint(p.Report.Loop), Title: p.title(),
		Policy: policy(style, script),
		Style:  template.HTML("<style>" + style + "</style>"),
		Script: template.HTML("<script>" + script + "</script>"),
		Data:   template.HTML(`<script type="application/json" id="data">` + data + "</script>"),
		Tiles:  p.tiles(), Summary: p.summary(), Flows: p.flows(), Counters: p.Report.Counters(),
	}
	v.Figures = p.figures("ellipse", "box", "box-flows")
	v.Air, v.Medium = p.figures("air", "stations", "timeline"), p.Report.Medium()
	return v, nil
}

// figures are those of the names that the report has, in their order: the ones
// that need no script.
func (p *Page) figures(names ...string) (ds []drawing) {
	all := figure.All(p.Report, p.Series)
	for i, name := range names {
		at := slices.IndexFunc(all, func(f figure.Figure) bool { return f.Name == name })
		if at < 0 {
			continue
		}
		f := all[at]
		ds = append(ds, drawing{
			Title: f.Title, Caption: f.Caption,
			Wide:   template.HTML(f.Draw(svg.Page(fmt.Sprintf("w-%s%d-", name, i)), wide).String()),
			Narrow: template.HTML(f.Draw(svg.Page(fmt.Sprintf("n-%s%d-", name, i)), narrow).String()),
		})
	}
	return ds
}

// policy is what the page may do: run its own script and style, no others, and
// reach nothing.
func policy(style, script string) string {
	return fmt.Sprintf("default-src 'none'; base-uri 'none'; form-action 'none'; style-src '%s'; script-src '%s'", source(style), source(script))
}

func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// json is the page's data. Nothing in it ends the element that holds it.
func (p *Page) json() (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b) // escapes <, > and &
	if err := e.Encode(p.data()); err != nil {
		return "", fmt.Errorf("encode the page's data: %w", err)
	}
	return strings.TrimSpace(b.String()), nil
}
