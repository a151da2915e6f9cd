package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/uqtool/uq/sim/report"
)

// testOutput prints cases for people.
type testOutput struct {
	w       io.Writer
	verbose bool
	// update says that digests will be taken for right.
	update bool
}

// result prints a case.
func (o *testOutput) result(c *testCase) {
	var b strings.Builder
	fs := c.failures()
	if o.update && c.err == nil {
		fs = nil
		for _, a := range c.asserts {
			if !a.OK {
				fs = append(fs, failure{a.Line, resultWords(a.Result)})
			}
		}
	}
	switch {
	case len(fs) == 0:
		fmt.Fprintf(&b, "ok    %s: %s: %s\n", c.file.Name, c.name(), c.contents())
	case c.err != nil || c.invalid() > 0:
		fmt.Fprintf(&b, "ERROR %s:%d: %s\n", c.file.Name, c.run.Line, c.name())
	default:
		fmt.Fprintf(&b, "FAIL  %s:%d: %s\n", c.file.Name, c.run.Line, c.name())
	}
	for _, f := range fs {
		fmt.Fprintf(&b, "      %s:%d: %s\n", c.file.Name, f.line, f.text)
	}
	if o.verbose {
		o.held(&b, c)
	}
	if len(fs) > 0 {
		fmt.Fprintf(&b, "      again: %s\n", c.again())
	}
	io.WriteString(o.w, printable(b.String(), "\n"))
}

// held lists what did hold.
func (o *testOutput) held(b *strings.Builder, c *testCase) {
	for _, a := range c.asserts {
		if a.OK {
			fmt.Fprintf(b, "      %s\n", resultLine(a.Result))
		}
	}
	for _, d := range c.digests {
		if d.ok() {
			fmt.Fprintf(b, "      ok    %s\n", &d)
		}
	}
}

// contents counts what was held against.
func (c *testCase) contents() string {
	recorded := 0
	for _, d := range c.digests {
		if d.Want != "" {
			recorded++
		}
	}
	return fmt.Sprintf("%s, %s", plural(len(c.asserts), "assertion"), plural(recorded, "digest"))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// counts are the totals of a suite.
type counts struct {
	passed, failed, broken, unrecorded int
	// unchecked runs passed because nothing is expected of them.
	unchecked int
}

func (u *suite) counts() (n counts) {
	for _, c := range u.cases {
		switch {
		case c.ok():
			n.passed++
		case c.err != nil || c.invalid() > 0:
			n.broken++
		default:
			n.failed++
		}
		if c.ok() && len(c.asserts)+len(c.digests) == 0 {
			n.unchecked++
		}
		for _, d := range c.digests {
			if d.Want == "" && !d.Recorded {
				n.unrecorded++
			}
		}
	}
	return n
}

func (n counts) String() string {
	s := fmt.Sprintf("%d passed, %d failed", n.passed, n.failed)
	if n.broken > 0 {
		s += fmt.Sprintf(", %d could not be checked", n.broken)
	}
	return s
}

// summary prints the totals.
func (o *testOutput) summary(u *suite) {
	n := u.counts()
	fmt.Fprintf(o.w, "%s of %s: %s\n", plural(len(u.cases), "run"), plural(len(u.files), "file"), n)
	if n.unrecorded > 0 {
		fmt.Fprintf(o.w, "%s not recorded: uq test --update records them\n", plural(n.unrecorded, "digest"))
	}
	if n.unchecked > 0 {
		fmt.Fprintf(o.w, "%s checked nothing: write what to expect as assert, or leave out digests = false\n", plural(n.unchecked, "run"))
	}
}

// testReport is what uq test --json prints.
type testReport struct {
	Format int `json:"uq_format"`
	Passed int `json:"passed"`
	Failed int `json:"failed"`
	Errors int `json:"errors"`
	// Unchecked counts those of the passed of which nothing was expected.
	Unchecked int        `json:"unchecked,omitempty"`
	Runs      []caseJSON `json:"runs"`
}

type caseJSON struct {
	File       string          `json:"file"`
	Line       int             `json:"line"`
	Name       string          `json:"name"`
	Trace      string          `json:"trace"`
	Link       string          `json:"link,omitempty"`
	Seed       uint64          `json:"seed"`
	GSO        string          `json:"gso"`
	Qdiscs     []string        `json:"qdiscs"`
	OK         bool            `json:"ok"`
	Error      string          `json:"error,omitempty"`
	Assertions []assertOutcome `json:"assertions"`
	Digests    []digestOutcome `json:"digests"`
	// Again is the command that repeats it.
	Again string `json:"again"`
}

func (u *suite) writeJSON(w io.Writer) error {
	n := u.counts()
	r := testReport{Format: report.Format, Passed: n.passed, Failed: n.failed, Errors: n.broken, Unchecked: n.unchecked}
	for _, c := range u.cases {
		j := caseJSON{
			File: c.file.Name, Line: c.run.Line, Name: c.name(), Trace: c.at.Trace.Text, Link: c.at.Link.Text, Seed: c.at.Seed,
			GSO: gsoOf(c.run), Qdiscs: words(c.run.Qdiscs), OK: c.ok(), Assertions: c.asserts, Digests: c.digests, Again: c.again(),
		}
		if c.err != nil {
			j.Error = c.err.Error()
		}
		r.Runs = append(r.Runs, j)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// annotate marks the lines that did not hold.
func (u *suite) annotate(w io.Writer, gh github) {
	for _, c := range u.cases {
		for _, f := range c.failures() {
			gh.annotate(w, c.file.Name, f.line, c.name(), f.text+"\nagain: "+c.again())
		}
	}
}

// markdown is a step summary: a table of the runs, then what did not hold.
func (u *suite) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### uq test: %s\n\n| | run | file | held |\n|---|---|---|---|\n", u.counts())
	for _, c := range u.cases {
		state := "ok"
		if !c.ok() {
			state = "**FAIL**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", state, cell(c.name()), cell(c.file.Name), c.contents())
	}
	for _, c := range u.cases {
		if c.ok() {
			continue
		}
		fmt.Fprintf(&b, "\n**%s**\n\n", cell(c.name()))
		for _, f := range c.failures() {
			fmt.Fprintf(&b, "- `%s:%d`: %s\n", c.file.Name, f.line, cell(f.text))
		}
		fmt.Fprintf(&b, "\n```sh\n%s\n```\n", c.again())
	}
	return b.String() + "\n"
}

// cell keeps a text within a cell of a table, and from being markup.
func cell(s string) string {
	return strings.NewReplacer("\n", " ", "|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "`", "'").Replace(s)
}
