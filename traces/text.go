package traces

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// textVersionLine is the first line of the text form.
const textVersionLine = "uq-trace-text 1"

// TextWriter writes the text form of a trace: a version line, the header as
// JSON, one line a packet or event, the end. Its methods are Writer's.
type TextWriter struct {
	w      *bufio.Writer
	line   []byte
	counts End
}

// NewTextWriter starts the text of a trace on w.
func NewTextWriter(w io.Writer, h Header) (*TextWriter, error) {
	h.Version = fmt.Sprintf("%d.%d", Major, Minor)
	text, err := plainJSON(h)
	if err != nil {
		return nil, fmt.Errorf("write the header: %w", err)
	}
	t := &TextWriter{w: bufio.NewWriter(w)}
	fmt.Fprintf(t.w, "%s\nheader %s\n", textVersionLine, text)
	return t, nil
}

// Append writes r as a line of name=value fields in the order of Columns,
// leaving out those at their default.
func (t *TextWriter) Append(r *Record) error {
	if err := errors.Join(checkRecord(r), checkFlow(r.Flow)); err != nil {
		return fmt.Errorf("append record %d: %w", t.counts.Records, err)
	}
	b := append(t.line[:0], 'p')
	for i := range columns {
		col := &columns[i]
		if col.Text == "" {
			continue
		}
		field := len(b)
		b = append(b, ' ')
		b = append(b, col.Name...)
		b = append(b, '=')
		value := len(b)
		b = col.print(b, r)
		if string(b[value:]) == col.Default {
			b = b[:field]
		}
	}
	t.line = append(b, '\n')
	t.counts.Records++
	_, err := t.w.Write(t.line)
	return err
}

// Event writes e as a line.
func (t *TextWriter) Event(e Event) error {
	b := append(t.line[:0], "event time="...)
	b = e.Time.Append(b)
	b = append(b, " kind="...)
	b = append(b, e.Kind.String()...)
	if e.Count != 0 {
		b = append(b, " count="...)
		b = strconv.AppendUint(b, e.Count, 10)
	}
	if e.Text != "" {
		b = append(b, " text="...)
		b = strconv.AppendQuote(b, e.Text)
	}
	t.line = append(b, '\n')
	t.counts.Events++
	_, err := t.w.Write(t.line)
	return err
}

// Flush hands everything so far to the underlying writer.
func (t *TextWriter) Flush() error { return t.w.Flush() }

// Close writes the end line, with the counts set as Writer does, and flushes.
func (t *TextWriter) Close(e End) error {
	e.Records, e.Events = t.counts.Records, t.counts.Events
	text, err := plainJSON(e)
	if err != nil {
		return fmt.Errorf("write the end: %w", err)
	}
	fmt.Fprintf(t.w, "end %s\n", text)
	return t.w.Flush()
}

// plainJSON is v as JSON without control characters: json.Marshal leaves in those
// from U+007F on, which terminals obey as well.
func plainJSON(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if bytes.IndexFunc(text, isControl) < 0 {
		return text, err
	}
	var plain []byte
	for _, r := range string(text) {
		if isControl(r) {
			plain = fmt.Appendf(plain, "\\u%04x", r)
		} else {
			plain = utf8.AppendRune(plain, r)
		}
	}
	return plain, err
}

func isControl(r rune) bool { return r >= 0x7f && r <= 0x9f }

// Sink takes what a trace holds: a Writer or a TextWriter.
type Sink interface {
	Append(*Record) error
	Event(Event) error
	Flush() error
	Close(End) error
}

// Stream gives what a trace holds: a Reader or a TextReader.
type Stream interface {
	Header() Header
	OnEvent(func(Event))
	Next(*Record) error
	End() (End, bool)
}

// Copy moves all records and events from src to dst, each changed by edit if
// that is not nil, and the end record if there is one. When src is damaged it
// copies what can be read and returns the *Damage; dst then has no end record
// either.
func Copy(dst Sink, src Stream, edit func(*Record)) error {
	var failed error
	src.OnEvent(func(e Event) {
		if err := dst.Event(e); err != nil && failed == nil {
			failed = err
		}
	})
	var r Record
	for failed == nil {
		err := src.Next(&r)
		if err == io.EOF && failed == nil {
			end, _ := src.End()
			return dst.Close(end)
		}
		if err != nil {
			if failed == nil {
				failed = dst.Flush()
			}
			if failed == nil {
				failed = err
			}
			break
		}
		if edit != nil {
			edit(&r)
		}
		if err := dst.Append(&r); err != nil {
			return err
		}
	}
	return failed
}
