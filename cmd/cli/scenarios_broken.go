package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/uqtool/uq/sim/scenario"
)

// broken is what is wrong with scenario files, of which none was run then. Those
// who wait for a report get one that says so, rather than none, or that of
// another time.
type broken []error

// brokenOf takes apart what was joined.
func brokenOf(err error) broken {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return broken{err}
	}
	var all broken
	for _, e := range joined.Unwrap() {
		all = append(all, brokenOf(e)...)
	}
	return all
}

// located is the file and line of an error, if it has one, and what it says of it.
func located(err error) (file string, line int, text string) {
	var at *scenario.LineError
	if errors.As(err, &at) {
		return at.File, at.Line, at.Err.Error()
	}
	return "", 0, err.Error()
}

// publish tells GitHub and writes the reports.
func (b broken) publish(s *streams, gh github, o testOptions, outputs *places) error {
	for _, e := range b {
		if file, line, text := located(e); file != "" {
			gh.annotate(s.err, file, line, "uq test", text)
		}
	}
	var errs []error
	if gh.actions {
		errs = append(errs, gh.appendSummary(b.markdown()))
	}
	if o.junit != "" {
		errs = append(errs, b.writeJUnit(s, o, outputs))
	}
	return errors.Join(errs...)
}

func (b broken) writeJUnit(s *streams, o testOptions, outputs *places) error {
	paths, err := scenarioPaths(o.names)
	if err != nil {
		paths = o.names
	}
	for _, p := range paths {
		if err := outputs.read("a scenario", p); err != nil {
			return err
		}
	}
	return writeJUnit(s, o.junit, b.junit())
}

// junit is a case for each error, in a suite for each file.
func (b broken) junit() junitSuites {
	all := junitSuites{Name: "uq test", Time: seconds(0)}
	for _, e := range b {
		file, line, text := located(e)
		c := junitCase{Name: "read the scenario", Classname: "uq test", Time: seconds(0), Error: &junitProblem{Message: text, Type: "error", Text: e.Error() + "\n"}}
		suite := c.Classname
		if file != "" {
			c.Name, c.Classname, c.File, c.Line, suite = fmt.Sprintf("line %d", line), file, file, line, file
		}
		i := slices.IndexFunc(all.Suites, func(s junitSuite) bool { return s.Name == suite })
		if i < 0 {
			i = len(all.Suites)
			all.Suites = append(all.Suites, junitSuite{Name: suite, File: file, Time: seconds(0)})
		}
		all.Suites[i].Cases = append(all.Suites[i].Cases, c)
		all.Suites[i].Tests, all.Suites[i].Errors = all.Suites[i].Tests+1, all.Suites[i].Errors+1
		all.Tests, all.Errors = all.Tests+1, all.Errors+1
	}
	return all
}

// markdown is a step summary.
func (b broken) markdown() string {
	var w strings.Builder
	fmt.Fprintf(&w, "### uq test: nothing was run, %s\n\n", plural(len(b), "error"))
	for _, e := range b {
		if file, line, text := located(e); file != "" {
			fmt.Fprintf(&w, "- `%s:%d`: %s\n", file, line, cell(text))
			continue
		}
		fmt.Fprintf(&w, "- %s\n", cell(e.Error()))
	}
	return w.String() + "\n"
}
