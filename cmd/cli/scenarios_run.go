package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/uqtool/uq/sim/metric"
	"github.com/uqtool/uq/sim/scenario"
)

// suite is every case of every file.
type suite struct {
	files []*scenarioFile
	cases []*testCase
}

// testCase is a case with what came of it.
type testCase struct {
	file *scenarioFile
	run  *scenario.Run
	at   *scenario.Case
	// index is the run's number in its file, first whether this is its first case.
	index int
	first bool

	streams  *streams // those of all, with links that read beside the file
	linkFile bool

	err     error // it could not be run
	asserts []assertOutcome
	digests []digestOutcome
	took    time.Duration
}

// assertOutcome is a result with the line that asked for it.
type assertOutcome struct {
	metric.Result
	Line int `json:"line"`
}

// digestOutcome is a digest with what was expected of it.
type digestOutcome struct {
	Key string `json:"key"`
	// Qdisc is as the file has it.
	Qdisc string `json:"qdisc,omitempty"`
	// Want is empty where the file has none, Got where nothing has this key.
	Want string `json:"want,omitempty"`
	Got  string `json:"got,omitempty"`
	Line int    `json:"line"`
	// Recorded says that the run has digests at all.
	Recorded bool `json:"-"`
}

func (d *digestOutcome) ok() bool { return !d.Recorded || d.Want == d.Got }

// String says how it fared.
func (d *digestOutcome) String() string {
	switch {
	case d.Want == "" && !d.Recorded:
		return fmt.Sprintf("digest of %s: is %s, not recorded", d.Key, d.Got)
	case d.Want == "":
		return fmt.Sprintf("digest of %s: is %s, not in the file: --update adds it", d.Key, d.Got)
	case d.Got == "":
		return fmt.Sprintf("digest of %q: nothing of this name is run: --update takes it away", d.Key)
	case d.Want != d.Got:
		return fmt.Sprintf("digest of %s: is %s, want %s", d.Key, d.Got, d.Want)
	}
	return fmt.Sprintf("digest of %s: %s", d.Key, d.Got)
}

func newSuite(s *streams, files []*scenarioFile) *suite {
	u := &suite{files: files}
	for _, f := range files {
		for i := range f.Runs {
			for j := range f.Runs[i].Cases {
				c := &testCase{file: f, run: &f.Runs[i], at: &f.Runs[i].Cases[j], index: i, first: j == 0}
				own := *s
				own.ports = beside(s.ports, f.dir(), &c.linkFile)
				c.streams = &own
				u.cases = append(u.cases, c)
			}
		}
	}
	return u
}

// run runs all cases, so many at a time, and calls done for each in their order
// in the files. An interruption ends it.
func (u *suite) run(ctx context.Context, s *streams, jobs int, done func(*testCase)) error {
	var next atomic.Int64
	finished := make(chan int)
	for range min(jobs, len(u.cases)) {
		go func() {
			for i := int(next.Add(1)) - 1; i < len(u.cases); i = int(next.Add(1)) - 1 {
				start := time.Now()
				u.cases[i].err = u.cases[i].simulate(ctx)
				u.cases[i].took = time.Since(start)
				finished <- i
			}
		}()
	}
	shown, ready := 0, make([]bool, len(u.cases))
	tty := isTerminal(s.err)
	if tty {
		fmt.Fprintf(s.err, "0 of %d runs", len(u.cases))
	}
	for n := range u.cases {
		ready[<-finished] = true
		if tty {
			fmt.Fprint(s.err, "\r\x1b[K")
		}
		for ; shown < len(ready) && ready[shown] && ctx.Err() == nil; shown++ {
			done(u.cases[shown])
		}
		if tty && n+1 < len(u.cases) {
			fmt.Fprintf(s.err, "%d of %d runs", n+1, len(u.cases))
		}
	}
	return ctx.Err()
}

// simulate runs the case and holds it against what is expected.
func (c *testCase) simulate(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sim := simulation{
		trace: tracePath(c.file.dir(), c.at.Trace.Text), qdiscs: words(c.run.Qdiscs), link: c.at.Link.Text,
		seed: c.at.Seed, gso: gsoOf(c.run), flows: 3, quiet: true, // flows for the hint where one is not there
	}
	if err := sim.check(c.streams.ports); err != nil {
		return err
	}
	a := assertions{flows: c.file.Flows, parsed: c.run.Assertions}
	sim.watch = append(sim.watch, a.watch)
	res, err := sim.run(ctx, c.streams)
	if err == nil {
		err = res.complete(false)
	}
	if err != nil {
		return err
	}
	for i, as := range c.run.Assertions {
		one := assertions{parsed: []*metric.Assertion{as}, probes: a.probes}
		for _, r := range one.results(&sim, res) {
			c.asserts = append(c.asserts, assertOutcome{r, c.run.Assert[i].Line})
		}
	}
	for i, q := range c.run.Qdiscs {
		key := c.at.DigestKey(q.Text)
		want := c.run.Digests[key]
		line := want.Line
		if line == 0 {
			line = q.Line
		}
		if !c.run.NoDigests {
			c.digests = append(c.digests, digestOutcome{key, q.Text, want.Text, res.report.Runs[i].Digest, line, c.run.Digests != nil})
		}
	}
	if c.first {
		for _, t := range c.run.Stale() {
			c.digests = append(c.digests, digestOutcome{t.Text, "", c.run.Digests[t.Text].Text, "", t.Line, true})
		}
	}
	return nil
}

// ok says whether all held.
func (c *testCase) ok() bool {
	return c.err == nil && c.invalid() == 0 && len(c.failures()) == 0
}

// invalid counts assertions that are at fault themselves.
func (c *testCase) invalid() (n int) {
	for _, a := range c.asserts {
		if a.Invalid {
			n++
		}
	}
	return n
}

// failure is something that did not hold, with its line.
type failure struct {
	line int
	text string
}

func (c *testCase) failures() (fs []failure) {
	if c.err != nil {
		return []failure{{c.at.Trace.Line, c.err.Error()}}
	}
	for _, a := range c.asserts {
		if !a.OK {
			fs = append(fs, failure{a.Line, resultWords(a.Result)})
		}
	}
	for _, d := range c.digests {
		if !d.ok() {
			fs = append(fs, failure{d.Line, d.String()})
		}
	}
	return fs
}

// name is the case to people.
func (c *testCase) name() string { return c.run.CaseName(c.at) }

// again is the command that repeats the case, with what did not hold. Where that
// is only that the file lacks a digest, or has one too many, it reads the file.
func (c *testCase) again() string {
	if !c.ok() && c.onlyUnrecorded() {
		return "uq test " + shellQuote(c.file.Name)
	}
	trace, dir := tracePath(c.file.dir(), c.at.Trace.Text), ""
	if c.linkFile && c.file.dir() != "." {
		trace, dir = c.at.Trace.Text, c.file.dir()
	}
	args := []string{"uq", "sim", trace}
	if c.at.Link.Text != "" {
		args = append(args, "--link", c.at.Link.Text)
	}
	if c.at.Seed != 1 {
		args = append(args, "--seed", strconv.FormatUint(c.at.Seed, 10))
	}
	if g := gsoOf(c.run); g != gsoQdisc {
		args = append(args, "--gso", g)
	}
	for _, q := range c.run.Qdiscs {
		args = append(args, "--qdisc", q.Text)
	}
	var asserts []string
	for _, a := range c.asserts {
		if !a.OK && !slices.Contains(asserts, a.Assertion) {
			asserts = append(asserts, a.Assertion)
		}
	}
	for _, a := range c.run.Assertions {
		if slices.Contains(asserts, a.String()) {
			args = append(args, "--assert", a.Expand(c.file.Flows))
		}
	}
	for _, d := range c.digests {
		if d.Want != "" && d.Got != "" && !d.ok() {
			args = append(args, "--assert", fmt.Sprintf("run(%s).digest == %s", d.Qdisc, d.Want))
		}
	}
	for i, a := range args {
		args[i] = shellQuote(a)
	}
	line := strings.Join(args, " ")
	if dir != "" {
		line = "(cd " + shellQuote(dir) + " && " + line + ")"
	}
	return line
}

// onlyUnrecorded says that all held but what the file has of digests.
func (c *testCase) onlyUnrecorded() bool {
	return c.err == nil && !slices.ContainsFunc(c.asserts, func(a assertOutcome) bool { return !a.OK }) &&
		!slices.ContainsFunc(c.digests, func(d digestOutcome) bool { return !d.ok() && d.Want != "" && d.Got != "" })
}

// verdict is nil if all held. What could not be checked counts for more than
// what did not hold.
func (u *suite) verdict() error {
	failed, broken := 0, 0
	code := exitUsage
	for _, c := range u.cases {
		switch {
		case c.err != nil:
			if broken++; broken == 1 {
				code = exitCode(c.err)
			}
		case c.invalid() > 0:
			broken++
		case !c.ok():
			failed++
		}
	}
	switch {
	case broken > 0:
		return &exitError{code, fmt.Errorf("%d of %d runs could not be checked", broken, len(u.cases))}
	case failed > 0:
		return &exitError{exitAssert, fmt.Errorf("%d of %d runs failed", failed, len(u.cases))}
	}
	return nil
}
