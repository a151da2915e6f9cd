package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/metric"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
)

// assertions are what is expected of a simulation's numbers.
type assertions struct {
	words []string
	// flows are names that flow(...) may use besides selectors, named those of the
	// flag.
	flows metric.Flows
	named []string

	parsed []*metric.Assertion
	probes []*metric.Probe // a lane each; nil where no flows are named
}

func (a *assertions) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&a.words, "assert", nil, `expectation such as "fq_codel.sojourn_p99 < 20ms" or "flow(udp:5201).drops == 0"; repeatable: one that fails makes the exit code 3 (names: uq sim --metrics)`)
	f.StringArrayVar(&a.named, "flow", nil, `name for flows in assertions: "voip=udp:5201" lets them say flow(voip); repeatable`)
}

// check finds what is wrong with the assertions before anything is read: c's own
// settings are right.
func (a *assertions) check(c *simulation, ports egress.Maker) error {
	for _, n := range a.named {
		if a.flows == nil {
			a.flows = metric.Flows{}
		}
		if err := a.flows.Define(n); err != nil {
			return usageErrorf("%sflow %q: %w", c.setting, n, err)
		}
	}
	for _, w := range a.words {
		p, err := metric.Parse(w)
		if err != nil {
			return usageErrorf("%sassert %w", c.setting, err)
		}
		a.parsed = append(a.parsed, p)
	}
	if _, err := metric.NewProbe(a.parsed, a.flows); err != nil {
		return usageErrorf("%sassert %w", c.setting, err)
	}
	if len(a.parsed) == 0 {
		return nil
	}
	if err := metric.Validate(a.parsed, c.idle(ports)); err != nil {
		return usageErrorf("%sassert %w", c.setting, err)
	}
	return nil
}

// anyLink stands for one that is not known yet: it has every metric that one can
// have.
const anyLink = "wifi sta any mcs7"

// idle are runs in which nothing happened yet; nil if that cannot be said before
// the trace is open.
func (c *simulation) idle(ports egress.Maker) (lanes []metric.Lane) {
	for _, q := range c.qdiscs {
		conf := c.config(q)
		if conf.Link == "" {
			conf.Link = anyLink
		}
		port, err := ports.Port(conf, report.NewCollector(), &pkt.Pool{})
		if err != nil {
			return nil
		}
		lanes = append(lanes, metric.Lane{Words: q, Port: port, Run: report.NewRun(port, report.NewCollector(), 0)})
	}
	return lanes
}

// watch follows the flows that the assertions name.
func (a *assertions) watch(int, string) egress.Sink {
	p, err := metric.NewProbe(a.parsed, a.flows)
	a.probes = append(a.probes, p)
	if err != nil || p == nil {
		return nil
	}
	return p
}

// results holds the assertions against what c's simulation came to.
func (a *assertions) results(c *simulation, res *simulated) []metric.Result {
	var lanes []metric.Lane
	for i, r := range res.report.Runs {
		lanes = append(lanes, metric.Lane{Words: c.qdiscs[i], Run: r, Port: res.ports[i], Probe: a.probes[i]})
	}
	return metric.Check(a.parsed, lanes)
}

// verdict is nil if all hold, else the error that says how many do not.
func verdict(rs []metric.Result) error {
	failed, invalid := 0, 0
	for _, r := range rs {
		switch {
		case r.Invalid:
			invalid++
		case !r.OK:
			failed++
		}
	}
	var errs []error
	if invalid > 0 {
		errs = append(errs, usageErrorf("%s", counted(invalid, len(rs), "cannot be checked")))
	}
	if failed > 0 {
		errs = append(errs, &exitError{exitAssert, errors.New(counted(failed, len(rs), "failed"))})
	}
	return errors.Join(errs...)
}

func counted(n, of int, what string) string {
	if of == 1 {
		return "the assertion " + what
	}
	return fmt.Sprintf("%d of %d assertions %s", n, of, what)
}

// resultLine is a result for people.
func resultLine(r metric.Result) string {
	state := "ok   "
	switch {
	case r.Invalid:
		state = "ERROR"
	case !r.OK:
		state = "FAIL "
	}
	return state + " " + resultWords(r)
}

// resultWords name the assertion and say how it fared.
func resultWords(r metric.Result) string {
	if r.Qdisc != "" {
		return fmt.Sprintf("%s for %s: %s", r.Assertion, r.Qdisc, r)
	}
	return fmt.Sprintf("%s: %s", r.Assertion, r)
}

// writeResults prints how the assertions fared below a report.
func writeResults(w io.Writer, rs []metric.Result) error {
	if len(rs) == 0 {
		return nil
	}
	b := &strings.Builder{}
	b.WriteString("\nassertions:\n")
	for _, r := range rs {
		fmt.Fprintf(b, "  %s\n", printable(resultLine(r), ""))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// assertedReport is a report's JSON with the assertions.
type assertedReport struct {
	*report.Report
	Assertions []metric.Result `json:"assertions,omitempty"`
}

func writeReportJSON(w io.Writer, r *report.Report, rs []metric.Result) error {
	if len(rs) == 0 {
		return r.WriteJSON(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(assertedReport{r, rs})
}

// annotate shows on GitHub which assertions failed.
func annotate(w io.Writer, gh github, rs []metric.Result) {
	for _, r := range rs {
		if !r.OK {
			gh.annotate(w, "", 0, "uq sim", resultWords(r))
		}
	}
}
