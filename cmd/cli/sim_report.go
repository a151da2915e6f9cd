package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/report/figure"
	"github.com/uqtool/uq/sim/report/html"
	"github.com/uqtool/uq/sim/report/plot"
	"github.com/uqtool/uq/sim/report/series"
	"github.com/uqtool/uq/sim/report/svg"
)

// drawn are the reports to look at: files beside what a command prints. Nothing
// is followed over time unless one is asked for.
type drawn struct {
	html, svg string
	plot      bool
	// wordless says that standard output is for data, not for words.
	wordless bool
	// command is the line that made the report, if it was not uq sim's.
	command string

	series []*series.Series
}

// drawnFlags are the flags of drawn.
var drawnFlags = []string{"html", "svg", "plot"}

func (d *drawn) flags(f *pflag.FlagSet) {
	f.StringVar(&d.html, "html", "", "write a report to look at, one file that needs no network")
	f.BoolVar(&d.plot, "plot", false, "draw sojourn, throughput and the distribution of sojourns in the terminal, too")
	f.StringVar(&d.svg, "svg", "", "write figures for papers: into a directory, or into one file that ends in .svg")
}

func (d *drawn) wanted() bool { return d.html != "" || d.svg != "" || d.plot }

// check finds names that cannot be written to, before the work is done; data
// says that standard output is taken.
func (d *drawn) check(data bool, files *places) error {
	d.wordless = data || d.html == "-"
	if d.html == "-" && data {
		return usageErrorf("--html -: standard output is taken by --json or --events: name a file")
	}
	if d.svg == "-" {
		return usageErrorf("--svg -: figures are files: name a directory, or a file that ends in .svg")
	}
	for _, o := range [][2]string{{"--html", d.html}, {"--svg", d.svg}} {
		if o[1] != "" && o[1] != "-" {
			if err := checkPlace(o[0], o[1], o[0] == "--html" || strings.HasSuffix(o[1], ".svg")); err != nil {
				return err
			}
			if err := files.write(o[0], o[1]); err != nil {
				return err
			}
		}
	}
	return d.checkFigures(files)
}

// checkFigures is check for the files in a directory.
func (d *drawn) checkFigures(files *places) error {
	if d.svg == "" || strings.HasSuffix(d.svg, ".svg") {
		return nil
	}
	for _, name := range figure.Names() {
		if err := files.write("--svg", filepath.Join(d.svg, name+".svg")); err != nil {
			return err
		}
	}
	return nil
}

// checkPlace says whether a file, or a directory, of a name can be.
func checkPlace(flag, name string, file bool) error {
	switch st, err := os.Stat(name); {
	case err == nil && st.IsDir() && file:
		return usageErrorf("%s %s: that is a directory: name a file in it", flag, name)
	case err == nil && !st.IsDir() && !file:
		return usageErrorf("%s %s: not a directory: name one, or a file that ends in .svg", flag, name)
	case err == nil:
		return nil
	}
	if st, err := os.Stat(filepath.Dir(name)); err != nil || !st.IsDir() {
		return usageErrorf("%s %s: there is no directory %s", flag, name, filepath.Dir(name))
	}
	return nil
}

// watch follows one more qdisc.
func (d *drawn) watch(int, string) egress.Sink {
	s := series.New()
	d.series = append(d.series, s)
	return s
}

// write draws what was asked for.
func (d *drawn) write(ctx context.Context, s *streams, c *simulation, res *simulated) error {
	if !d.wanted() {
		return nil
	}
	data := series.Align(d.series)
	if d.plot {
		w := s.out
		if d.wordless {
			w = s.err
		}
		fmt.Fprintln(w)
		if err := plot.Write(w, res.report, data, terminal(w, os.Getenv)); err != nil {
			return fmt.Errorf("write the plot: %w", err)
		}
	}
	if d.html != "" {
		if err := d.writePage(ctx, s, c, res, data); err != nil {
			return fmt.Errorf("write the page: %w", err)
		}
	}
	if d.svg != "" {
		if err := writeFigures(s, d.svg, figure.All(res.report, data)); err != nil {
			return fmt.Errorf("write figures: %w", err)
		}
	}
	return nil
}

// writePage writes the page, or nothing: a page that could not be finished does
// not stay.
func (d *drawn) writePage(ctx context.Context, s *streams, c *simulation, res *simulated, data []*series.Data) error {
	p := &html.Page{Report: res.report, Series: data, Version: uqVersion(), Command: cmp.Or(d.command, c.command(res.name))}
	p.Sections = append(p.Sections, c.section(res.report))
	facts, err := readTraceFacts(ctx, s, c)
	if err != nil {
		return fmt.Errorf("read the trace again: %w", err)
	}
	if facts != nil {
		p.Sections = append(p.Sections, facts.sections(res.name)...)
	} else {
		p.Sections = append(p.Sections, html.Section{Title: "Trace", Note: "The trace came through a pipe and could be read only once: its digest, losses and lateness are not known here. Name a file to have them."})
	}
	var b bytes.Buffer
	if err := html.Write(&b, p); err != nil {
		return err
	}
	return writeFile(s, d.html, bytes.Map(inHTML, b.Bytes()))
}

// inHTML replaces what may be in a file's name, but not in a page.
func inHTML(r rune) rune {
	if unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
		return utf8.RuneError
	}
	return r
}

// command is the line that makes the report again.
func (c *simulation) command(name string) string {
	words := []string{"uq", "sim"}
	if c.trace != "" && c.trace != "-" {
		words = append(words, shellQuote(name))
	}
	for _, q := range c.qdiscs {
		words = append(words, "--qdisc", shellQuote(q))
	}
	words = append(words, "--link", shellQuote(c.link), "--seed", fmt.Sprint(c.seed), "--gso", c.gso)
	if c.salvage {
		words = append(words, "--salvage")
	}
	return strings.Join(words, " ")
}

// shellQuote makes one word of s for a shell.
func shellQuote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/=:,@%+", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// section is the configuration of the runs.
func (c *simulation) section(r *report.Report) html.Section {
	sec := html.Section{Title: "Configuration", Note: "The digest is that of all arrivals and decisions: equal digests mean equal runs, on any machine."}
	for i, run := range r.Runs {
		sec.Rows = append(sec.Rows, html.Row{Key: r.Label(i), Value: run.Line}, html.Row{Key: "digest", Value: run.Digest})
	}
	sec.Rows = append(sec.Rows,
		html.Row{Key: "link", Value: r.Link}, html.Row{Key: "super-packets", Value: "gso " + c.gso},
		html.Row{Key: "seed", Value: fmt.Sprint(r.Seed)}, html.Row{Key: "arrivals", Value: r.Loop}, html.Row{Key: "uq", Value: uqVersion()})
	return sec
}

// uqVersion is the version with the revision it was built from.
func uqVersion() string {
	v := buildVersion()
	text := v.Version
	if v.Revision != "" && !strings.Contains(text, v.Revision[:min(len(v.Revision), 12)]) {
		text += " " + v.Revision[:min(len(v.Revision), 12)]
	}
	return text
}

// writeFigures writes each figure into a directory, or all into one file.
func writeFigures(s *streams, name string, figs []figure.Figure) error {
	if strings.HasSuffix(name, ".svg") {
		var b bytes.Buffer
		if err := figure.WriteSheet(&b, figs, svg.Paper); err != nil {
			return err
		}
		return writeFile(s, name, b.Bytes())
	}
	if err := os.MkdirAll(name, 0o777); err != nil {
		return err
	}
	for _, f := range figs {
		text := f.Draw(svg.Paper, figure.PaperWidth).String()
		if err := writeFile(s, filepath.Join(name, f.Name+".svg"), []byte(text)); err != nil {
			return err
		}
	}
	return nil
}
