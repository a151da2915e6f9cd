package traces

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/uqtool/uq/sim/pkt"
)

// maxTextLine bounds a line of the text form in bytes.
const maxTextLine = 1 << 20

// TextReader reads the text form of a trace. Its methods are Reader's; errors
// name the line.
type TextReader struct {
	lines   *bufio.Scanner
	line    int
	header  Header
	onEvent func(Event)
	blank   Record // all fields at their defaults
	last    pkt.Time
	end     End
	ended   bool
	counts  End
	err     error
}

// NewTextReader reads the version line and the header from r.
func NewTextReader(r io.Reader) (*TextReader, error) {
	in := &failNoter{r: r}
	t := &TextReader{lines: bufio.NewScanner(in), last: -MaxTime}
	t.lines.Buffer(nil, maxTextLine)
	t.lines.Split(in.lines)
	for i := range columns {
		if col := &columns[i]; col.Text != "" && col.Default != "" {
			if err := col.parse(col.Default, &t.blank); err != nil {
				panic("traces: default of " + col.Name + ": " + err.Error())
			}
		}
	}
	first, err := t.next()
	if err != nil {
		return nil, err
	}
	if first != textVersionLine {
		return nil, t.errorf("%w text: the first line is not %q", ErrNotTrace, textVersionLine)
	}
	line, err := t.next()
	if err != nil {
		return nil, err
	}
	text, ok := strings.CutPrefix(line, "header ")
	if !ok {
		return nil, t.errorf("the second line must be the header")
	}
	if err := json.Unmarshal([]byte(text), &t.header); err != nil {
		return nil, t.errorf("header: %w", err)
	}
	return t, nil
}

// failNoter splits what it reads into lines as bufio.ScanLines, but does not take
// what came before an error for a line.
type failNoter struct {
	r   io.Reader
	err error
}

func (f *failNoter) Read(p []byte) (n int, err error) {
	n, err = f.r.Read(p)
	if err != io.EOF {
		f.err = err
	}
	return n, err
}

func (f *failNoter) lines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	advance, token, err = bufio.ScanLines(data, atEOF && f.err == nil)
	if atEOF && token == nil && err == nil {
		err = f.err
	}
	return advance, token, err
}

// Header describes the trace.
func (t *TextReader) Header() Header { return t.header }

// Line is the number of the line read last, from 1.
func (t *TextReader) Line() int { return t.line }

// OnEvent makes the reader call f for every event, in its place among the
// records.
func (t *TextReader) OnEvent(f func(Event)) { t.onEvent = f }

// End returns the end line; ok is false until it was read.
func (t *TextReader) End() (e End, ok bool) { return t.end, t.ended }

// Next reads the next record. It returns io.EOF after the end line and a
// *Damage wrapping ErrTruncated if the text has none.
func (t *TextReader) Next(r *Record) error {
	for t.err == nil {
		line, err := t.next()
		if err == nil {
			var packet bool
			if packet, err = t.parse(line, r); packet && err == nil {
				return nil
			}
		}
		t.err = err
	}
	return t.err
}

func (t *TextReader) parse(line string, r *Record) (packet bool, err error) {
	kind, rest, _ := strings.Cut(line, " ")
	switch kind {
	case "p":
		*r = t.blank
		t.counts.Records++
		return true, t.record(rest, r)
	case "event":
		t.counts.Events++
		return false, t.event(rest)
	case "end":
		return false, t.finish(rest)
	}
	return false, t.errorf("line begins with %q: want p, event or end", kind)
}

// next returns the next line that is neither blank nor a comment.
func (t *TextReader) next() (string, error) {
	for t.lines.Scan() {
		t.line++
		line := strings.TrimRight(t.lines.Text(), " \t\r")
		if line != "" && line[0] != '#' {
			return line, nil
		}
	}
	if err := t.lines.Err(); err != nil {
		t.line++
		return "", t.errorf("%w", err)
	}
	return "", &Damage{Record: t.counts.Records, Recovered: t.counts.Records, Places: 1, Err: fmt.Errorf("line %d: %w", t.line+1, ErrTruncated)}
}

func (t *TextReader) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{t.line}, args...)...)
}

// record parses the fields of a packet line: those of the table, each at most
// once and in the table's order.
func (t *TextReader) record(rest string, r *Record) error {
	col := 0
	for rest != "" {
		var field string
		field, rest, _ = strings.Cut(rest, " ")
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			return t.errorf("%q: want NAME=VALUE", field)
		}
		for col < len(columns) && (columns[col].Name != name || columns[col].Text == "") {
			if columns[col].Default == "" && columns[col].Text != "" {
				return t.errorf("%q: want %s= here", field, columns[col].Name)
			}
			col++
		}
		if col == len(columns) {
			return t.errorf("%q: the field is unknown, doubled or out of order", field)
		}
		if err := columns[col].parse(value, r); err != nil {
			return t.errorf("%q: %w", field, err)
		}
		col++
	}
	if col < 2 {
		return t.errorf("a packet needs time= and flow=")
	}
	if r.Time < t.last {
		return t.errorf("time %s is before the previous packet's %s", r.Time, t.last)
	}
	t.last = r.Time
	if err := errors.Join(checkRecord(r), checkFlow(r.Flow)); err != nil {
		return t.errorf("%w", err)
	}
	return nil
}

func (t *TextReader) event(rest string) error {
	var e Event
	f := fieldParser{rest: rest}
	f.field("time", true, func(s string) (err error) { e.Time, err = parseTime(s); return })
	f.field("kind", true, func(s string) (err error) { e.Kind, err = ParseEventKind(s); return })
	f.field("count", false, func(s string) (err error) { e.Count, err = parseUint(s, 64); return })
	if text, ok := strings.CutPrefix(f.rest, "text="); ok && f.err == nil {
		e.Text, f.err = strconv.Unquote(text)
		f.rest = ""
	}
	switch {
	case f.err != nil:
		return t.errorf("event: %w", f.err)
	case f.rest != "":
		return t.errorf("event: %q is unknown or out of order", f.rest)
	case len(e.Text) > MaxEventText:
		return t.errorf("event: text is longer than %d bytes", MaxEventText)
	}
	if t.onEvent != nil {
		t.onEvent(e)
	}
	return nil
}

// fieldParser takes NAME=VALUE fields in a fixed order from rest.
type fieldParser struct {
	rest string
	err  error
}

func (f *fieldParser) field(name string, required bool, parse func(string) error) {
	field, rest, _ := strings.Cut(f.rest, " ")
	value, ok := strings.CutPrefix(field, name+"=")
	switch {
	case f.err != nil:
	case ok:
		if err := parse(value); err != nil {
			f.err = fmt.Errorf("%q: %w", field, err)
		}
		f.rest = rest
	case required:
		f.err = errors.New("want " + name + "= here")
	}
}

// finish parses the end line and makes sure that nothing follows it.
func (t *TextReader) finish(rest string) error {
	if err := json.Unmarshal([]byte(rest), &t.end); err != nil {
		return t.errorf("end: %w", err)
	}
	// Texts written by hand may leave the counts out.
	if e := t.end; e.Records != 0 && e.Records != t.counts.Records || e.Events != 0 && e.Events != t.counts.Events {
		return t.errorf("end counts %d records and %d events, the text has %d and %d",
			t.end.Records, t.end.Events, t.counts.Records, t.counts.Events)
	}
	t.ended = true
	if line, err := t.next(); err == nil {
		return t.errorf("%q follows the end line", cutText(line, 40))
	} else if !errors.Is(err, ErrTruncated) {
		return err
	}
	return io.EOF
}
