package cli

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// junitSuites is the root of a JUnit report as Jenkins, GitLab and GitHub's
// actions read it.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

// junitSuite is a file.
type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	File     string      `xml:"file,attr,omitempty"`
	Cases    []junitCase `xml:"testcase"`
}

// junitCase is a case of a run.
type junitCase struct {
	Name      string        `xml:"name,attr"`
	Classname string        `xml:"classname,attr"`
	File      string        `xml:"file,attr,omitempty"`
	Line      int           `xml:"line,attr,omitempty"`
	Time      string        `xml:"time,attr"`
	Failure   *junitProblem `xml:"failure"`
	Error     *junitProblem `xml:"error"`
	Out       string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// junit is the suite as a report.
func (u *suite) junit() junitSuites {
	all := junitSuites{Name: "uq test"}
	total := 0.0
	for _, f := range u.files {
		s := junitSuite{Name: f.Name, File: f.Name}
		time := 0.0
		for _, c := range u.cases {
			if c.file != f {
				continue
			}
			j := c.junit()
			time += c.took.Seconds()
			s.Tests++
			s.Failures += one(j.Failure != nil)
			s.Errors += one(j.Error != nil)
			s.Cases = append(s.Cases, j)
		}
		s.Time = seconds(time)
		total += time
		all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
		all.Suites = append(all.Suites, s)
	}
	all.Time = seconds(total)
	return all
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

func (c *testCase) junit() junitCase {
	j := junitCase{Name: c.name(), Classname: c.file.Name, File: c.file.Name, Line: c.run.Line, Time: seconds(c.took.Seconds())}
	var lines []string
	for _, f := range c.failures() {
		lines = append(lines, fmt.Sprintf("%s:%d: %s", c.file.Name, f.line, f.text))
	}
	if len(lines) > 0 {
		p := &junitProblem{Message: c.failures()[0].text, Type: "assertion", Text: strings.Join(lines, "\n") + "\nagain: " + c.again() + "\n"}
		if c.err != nil || c.invalid() > 0 {
			p.Type = "error"
			j.Error = p
		} else {
			j.Failure = p
		}
	}
	var held strings.Builder
	(&testOutput{}).held(&held, c)
	j.Out = held.String()
	return j
}

// writeJUnit writes the report.
func writeJUnit(s *streams, name string, suites junitSuites) error {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	if err := e.Encode(suites); err != nil {
		return fmt.Errorf("write --junit %s: %w", name, err)
	}
	b.WriteByte('\n')
	if err := writeFile(s, name, b.Bytes()); err != nil {
		return usageErrorf("--junit: %w", err)
	}
	return nil
}
