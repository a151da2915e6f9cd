package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
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
func (b broken) publish(s *streams, gh github, junit string) error {
	for _, e := range b {
		if file, line, text := located(e); file != "" {
			gh.annotate(s.err, file, line, "uq test", text)
		}
	}
	var errs []error
	if gh.actions {
		errs = append(errs, gh.appendSummary(b.markdown()))
	}
	if junit != "" {
		errs = append(errs, b.writeJUnit(s, junit))
	}
	return errors.Join(errs...)
}

// writeJUnit takes the place of a report only: what the files would have read is
// not known, and it might be among that.
func (b broken) writeJUnit(s *streams, name string) error {
	if !replaceable(name) {
		return usageErrorf("--junit %s: not a report: it stays as it is", name)
	}
	return writeJUnit(s, name, b.junit())
}

// replaceable says whether there is nothing yet, XML, or nothing that could be lost.
func replaceable(name string) bool {
	st, err := os.Stat(name)
	if err != nil || !st.Mode().IsRegular() || st.Size() == 0 {
		return true
	}
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len("<?xml"))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == "<?xml"
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
