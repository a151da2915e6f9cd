package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/metric"
	"github.com/uqtool/uq/sim/scenario"
	"github.com/uqtool/uq/traces/corpus"
)

// checkScenario finds what is wrong with the words of a file before any trace is
// opened.
func checkScenario(ports egress.Maker, f *scenario.File) error {
	c := scenarioCheck{file: f, ports: beside(ports, filepath.Dir(f.Name), nil), told: map[string]bool{}}
	for i := range f.Runs {
		c.run(&f.Runs[i])
	}
	slices.SortStableFunc(c.errs, func(a, b *scenario.LineError) int { return a.Line - b.Line })
	var errs []error
	for _, e := range c.errs {
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

type scenarioCheck struct {
	file  *scenario.File
	ports egress.Maker
	errs  []*scenario.LineError
	told  map[string]bool
}

// fail tells an error once, however many runs share the line.
func (c *scenarioCheck) fail(line int, err error) {
	if err == nil {
		return
	}
	e := &scenario.LineError{File: c.file.Name, Line: line, Err: err}
	if !c.told[e.Error()] {
		c.told[e.Error()] = true
		c.errs = append(c.errs, e)
	}
}

func (c *scenarioCheck) run(r *scenario.Run) {
	before := len(c.errs)
	for _, q := range r.Qdiscs {
		c.fail(q.Line, c.ports.CheckQdisc(q.Text))
	}
	if g := gsoOf(r); g != gsoWhole && g != gsoSplit && g != gsoQdisc {
		c.fail(r.GSO.Line, fmt.Errorf("gso %q: want whole, split or qdisc", g))
	}
	for i := range r.Cases {
		k := &r.Cases[i]
		c.fail(k.Trace.Line, traceExists(filepath.Dir(c.file.Name), k.Trace.Text))
		if k.Link.Text != "" {
			_, err := c.ports.Link(egress.Config{Link: k.Link.Text, Seed: k.Seed})
			c.fail(k.Link.Line, err)
		}
	}
	if len(c.errs) > before {
		return
	}
	sim := simulation{link: r.Cases[0].Link.Text, seed: r.Cases[0].Seed, qdiscs: words(r.Qdiscs)}
	lanes := sim.idle(c.ports)
	for i, a := range r.Assertions {
		if err := metric.Validate([]*metric.Assertion{a}, lanes); err != nil {
			c.fail(r.Assert[i].Line, fmt.Errorf("assert %w", err))
		}
	}
}

// traceExists checks for a file beside the scenario, or one of the corpus.
func traceExists(dir, name string) error {
	if isCorpus(name) {
		_, err := corpusTrace(name)
		return err
	}
	if _, err := os.Stat(tracePath(dir, name)); err != nil {
		return fmt.Errorf("open trace: %w", err)
	}
	return nil
}

// tracePath is a trace's path from here, where dir is the scenario's directory.
func tracePath(dir, name string) string {
	if isCorpus(name) || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// beside returns ports whose links read files from dir; used, if not nil, becomes
// true when one does.
func beside(ports egress.Maker, dir string, used *bool) egress.Maker {
	read := ports.ReadFile
	if read == nil {
		return ports
	}
	ports.ReadFile = func(name string) ([]byte, error) {
		if used != nil {
			*used = true
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return read(name)
	}
	return ports
}

func gsoOf(r *scenario.Run) string {
	if r.GSO.Text == "" {
		return gsoQdisc
	}
	return r.GSO.Text
}

func words(ts []scenario.Text) (ws []string) {
	for _, t := range ts {
		ws = append(ws, t.Text)
	}
	return ws
}

// escapeGlob keeps the characters of a directory's name from being a pattern.
func escapeGlob(s string) string {
	if os.PathSeparator == '\\' {
		return s // there is no way to
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(s)
}

// corpusPrefix names an embedded trace: "corpus:mix.zst".
const corpusPrefix = "corpus:"

func isCorpus(name string) bool { return strings.HasPrefix(name, corpusPrefix) }

// corpusTrace is an embedded trace's bytes.
func corpusTrace(name string) (string, error) {
	file := strings.TrimPrefix(name, corpusPrefix)
	if !strings.HasSuffix(file, ".zst") {
		file += ".zst"
	}
	data, err := corpus.Read(file)
	if err != nil {
		return "", fmt.Errorf("%s: no such embedded trace: there are %s", name, strings.Join(corpus.Names(), ", "))
	}
	return string(data), nil
}
