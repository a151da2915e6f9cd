package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/report/figure"
	"github.com/uqtool/uq/sim/report/series"
	"github.com/uqtool/uq/sim/report/svg"
)

// drawn are the reports to look at: files beside what a command prints. Nothing
// is followed over time unless one is asked for.
type drawn struct {
	html, svg string

	series []*series.Series
}

func (d *drawn) flags(f *pflag.FlagSet) {
	f.StringVar(&d.html, "html", "", "write a report to look at, one file that needs no network")
	f.StringVar(&d.svg, "svg", "", "write figures for papers: into a directory, or into one file that ends in .svg")
}

func (d *drawn) wanted() bool { return d.html != "" || d.svg != "" }

// check finds names that cannot be written to, before the work is done.
func (d *drawn) check() error {
	for flag, name := range map[string]string{"--html": d.html, "--svg": d.svg} {
		if name == "" || name == "-" {
			continue
		}
		st, err := os.Stat(filepath.Dir(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return usageErrorf("%s %s: there is no directory %s", flag, name, filepath.Dir(name))
		case err == nil && !st.IsDir():
			return usageErrorf("%s %s: %s is not a directory", flag, name, filepath.Dir(name))
		}
	}
	if st, err := os.Stat(d.html); err == nil && st.IsDir() {
		return usageErrorf("--html %s: that is a directory: name a file in it", d.html)
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
func (d *drawn) write(s *streams, c *simulation, res *simulated) error {
	if !d.wanted() {
		return nil
	}
	data := series.Align(d.series)
	if d.svg != "" {
		if err := writeFigures(d.svg, figure.All(res.report, data)); err != nil {
			return fmt.Errorf("write figures: %w", err)
		}
	}
	return nil
}

// writeFigures writes each figure into a directory, or all into one file.
func writeFigures(name string, figs []figure.Figure) error {
	if strings.HasSuffix(name, ".svg") {
		var b bytes.Buffer
		if err := figure.WriteSheet(&b, figs, svg.Paper); err != nil {
			return err
		}
		return os.WriteFile(name, b.Bytes(), 0o666)
	}
	if err := os.MkdirAll(name, 0o777); err != nil {
		return err
	}
	for _, f := range figs {
		text := f.Draw(svg.Paper, figure.PaperWidth).String()
		if err := os.WriteFile(filepath.Join(name, f.Name+".svg"), []byte(text), 0o666); err != nil {
			return err
		}
	}
	return nil
}
