package scenario

import (
	"fmt"
	"slices"
	"strings"
)

// Digest is what a qdisc of a case came to.
type Digest struct {
	Key, Value string
}

// SetDigests returns the text of a file with the digests of its run-th run
// replaced: others go, those there change, missing ones come last. Nothing else
// changes, comments neither. The text must have been read before.
func SetDigests(text string, run int, digests []Digest) (string, error) {
	d := &digestEdit{text: text, table: pathOf("run", run, "digests"), entries: outline(text), header: -1}
	for i, e := range d.entries {
		if e.header && e.path == d.table {
			d.header = i
		}
	}
	for _, e := range d.entries {
		if key, ok := strings.CutPrefix(e.path, d.table); ok && key != "" && !e.header {
			d.there = append(d.there, e)
		}
	}
	if err := d.replace(digests); err != nil {
		return "", err
	}
	if err := d.insert(digests, pathOf("run", run)); err != nil {
		return "", err
	}
	return d.apply(), nil
}

type digestEdit struct {
	text    string
	table   string
	entries []entry
	header  int     // of the table, -1 if there is none
	there   []entry // the digests there are
	edits   []edit
}

type edit struct {
	start, end int
	text       string
}

func (d *digestEdit) find(key string) int {
	return slices.IndexFunc(d.there, func(e entry) bool { return e.path == d.table+pathOf(key) })
}

// replace changes the values of digests that are there, and takes away those that
// should not be.
func (d *digestEdit) replace(digests []Digest) error {
	keep := make([]bool, len(d.there))
	for _, g := range digests {
		if i := d.find(g.Key); i >= 0 {
			keep[i] = true
			if e := d.there[i]; d.text[e.start:e.end] != quote(g.Value, false) {
				d.edits = append(d.edits, edit{e.start, e.end, quote(g.Value, false)})
			}
		}
	}
	for i, e := range d.there {
		if keep[i] {
			continue
		}
		if !e.own || e.under != d.header {
			return fmt.Errorf("line %d: this digest is of what is not run: take it away", e.line)
		}
		start := strings.LastIndexByte(d.text[:e.start], '\n') + 1
		d.edits = append(d.edits, edit{start, d.lineEnd(e.end), ""})
	}
	return nil
}

// lineEnd is where the line after the one at position at begins.
func (d *digestEdit) lineEnd(at int) int {
	if i := strings.IndexByte(d.text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(d.text)
}

// insert adds the digests that are not there, below the others or in a table of
// their own at the end of the run.
func (d *digestEdit) insert(digests []Digest, run string) error {
	var lines []string
	for _, g := range digests {
		if d.find(g.Key) < 0 {
			lines = append(lines, quote(g.Key, true)+" = "+quote(g.Value, false))
		}
	}
	if lines == nil {
		return nil
	}
	if d.header < 0 {
		if slices.ContainsFunc(d.entries, func(e entry) bool { return strings.HasPrefix(e.path, d.table) }) {
			return fmt.Errorf("digests: write them as a table, [run.digests], so that more can be added")
		}
		at := d.runEnd(run)
		d.add(at, append([]string{"", "[run.digests]"}, lines...))
		return nil
	}
	last := d.entries[d.header].end
	for _, e := range d.there {
		last = max(last, e.end)
	}
	d.add(d.lineEnd(last), lines)
	return nil
}

// add puts lines in at the beginning of a line, or after a last one without an
// end.
func (d *digestEdit) add(at int, lines []string) {
	end := "\n"
	if strings.Contains(d.text, "\r\n") {
		end = "\r\n"
	}
	text := strings.Join(lines, end) + end
	if at > 0 && d.text[at-1] != '\n' {
		text = end + text
	}
	d.edits = append(d.edits, edit{at, at, text})
}

// runEnd is the line after the last key of a run.
func (d *digestEdit) runEnd(run string) int {
	end := 0
	for _, e := range d.entries {
		if strings.HasPrefix(e.path, run) {
			end = max(end, e.end)
		}
	}
	return d.lineEnd(end)
}

// apply makes the edits, the last first.
func (d *digestEdit) apply() string {
	slices.SortStableFunc(d.edits, func(a, b edit) int { return a.start - b.start })
	s := d.text
	for i := len(d.edits) - 1; i >= 0; i-- {
		s = s[:d.edits[i].start] + d.edits[i].text + s[d.edits[i].end:]
	}
	return s
}
