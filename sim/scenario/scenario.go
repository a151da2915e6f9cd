package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/uqtool/uq/sim/metric"
)

// The limits of a file.
const (
	maxFile  = 256 << 10 // bytes
	maxCases = 4096
)

// File is what a scenario file says.
type File struct {
	Name  string
	Flows metric.Flows
	Runs  []Run
}

// Text is a word of the file with the line it stands on.
type Text struct {
	Text string
	Line int
}

// Run is one [[run]], with what it takes over from the top of the file.
type Run struct {
	Name   string
	Line   int
	Qdiscs []Text
	GSO    Text
	Assert []Text
	// Assertions are Assert, read.
	Assertions []*metric.Assertion
	// Digests are by key, see Case.DigestKey; nil if the run has none.
	Digests map[string]Text
	// NoDigests says that it should not get any.
	NoDigests bool
	Cases     []Case

	traces, links []Text
	seeds         []seed
	name          Text
}

type seed struct {
	n    uint64
	line int
}

// Case is a run with one trace, link and seed.
type Case struct {
	Trace Text
	// Link is empty for the one that the trace states.
	Link Text
	Seed uint64

	varies []string // what sets it apart from the run's other cases
}

// CaseName names the case to people.
func (r *Run) CaseName(c *Case) string {
	if len(c.varies) == 0 {
		return r.Name
	}
	return r.Name + " (" + strings.Join(c.varies, ", ") + ")"
}

// DigestKey is the key of a qdisc's digest.
func (c *Case) DigestKey(qdisc string) string {
	return strings.Join(append(slices.Clone(c.varies), qdisc), " | ")
}

// LineError is an error on a line of a file.
type LineError struct {
	File string
	Line int
	Err  error
}

// Error is the place and what is wrong there.
func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns what is wrong.
func (e *LineError) Unwrap() error { return e.Err }

// Parse reads a file. Its errors are LineErrors, joined.
func Parse(name string, data []byte) (*File, error) {
	if len(data) > maxFile {
		return nil, &LineError{name, 1, fmt.Errorf("%d bytes: a scenario has at most %d", len(data), maxFile)}
	}
	if text := string(data); strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return nil, &LineError{name, 1, errors.New("begins as UTF-16 does: save it as UTF-8")}
	}
	var tree map[string]any
	if _, err := toml.Decode(string(data), &tree); err != nil {
		var p toml.ParseError
		if errors.As(err, &p) {
			return nil, &LineError{name, max(p.Position.Line, 1), errors.New(p.Message)}
		}
		return nil, &LineError{name, 1, err}
	}
	r := &reader{name: name, lines: map[string]int{}}
	for _, e := range outline(string(data)) {
		if _, ok := r.lines[e.path]; !ok {
			r.lines[e.path] = e.line
		}
	}
	f := r.file(tree)
	if len(r.errs) > 0 {
		return nil, r.all()
	}
	return f, nil
}

// Stale are the keys of digests of what is not run.
func (run *Run) Stale() (stale []Text) {
	var known []string
	for i := range run.Cases {
		for _, q := range run.Qdiscs {
			known = append(known, run.Cases[i].DigestKey(q.Text))
		}
	}
	for _, k := range sorted(run.Digests) {
		if !slices.Contains(known, k) {
			stale = append(stale, Text{k, run.Digests[k].Line})
		}
	}
	return stale
}
