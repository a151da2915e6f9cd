package table

import (
	"bufio"
	"io"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces/interop"
)

// CSV writes a table with a line of names first (RFC 4180, lines end in LF). No
// value of it needs quotes.
type CSV struct {
	w    *bufio.Writer
	rows *Rows
	cols []Column
	line []byte
}

// NewCSV starts a table on w.
func NewCSV(w io.Writer, k Kind) *CSV {
	c := &CSV{w: bufio.NewWriterSize(w, 64<<10), rows: NewRows(k), cols: Columns(k)}
	for i, col := range c.cols {
		if i > 0 {
			c.w.WriteByte(',')
		}
		c.w.WriteString(col.Name)
	}
	c.w.WriteByte('\n')
	return c
}

// Event implements interop.Writer.
func (c *CSV) Event(e *interop.Event) error {
	r := c.rows.Row(e)
	if r == nil {
		return nil
	}
	b := c.line[:0]
	for i := range c.cols {
		if i > 0 {
			b = append(b, ',')
		}
		b = c.cols[i].put(b, r)
	}
	c.line = append(b, '\n')
	_, err := c.w.Write(c.line)
	return err
}

// Close implements interop.Writer.
func (c *CSV) Close(pkt.Time) error { return c.w.Flush() }

// JSONL writes a table as one JSON object a line, its keys the columns' names.
type JSONL struct {
	w    *bufio.Writer
	rows *Rows
	cols []Column
	line []byte
}

// NewJSONL starts a table on w.
func NewJSONL(w io.Writer, k Kind) *JSONL {
	return &JSONL{w: bufio.NewWriterSize(w, 64<<10), rows: NewRows(k), cols: Columns(k)}
}

// Event implements interop.Writer.
func (j *JSONL) Event(e *interop.Event) error {
	r := j.rows.Row(e)
	if r == nil {
		return nil
	}
	b := append(j.line[:0], '{')
	for i := range j.cols {
		col := &j.cols[i]
		b = append(append(append(b, '"'), col.Name...), `":`...)
		if col.Text { // names and addresses: nothing to escape
			b = append(col.put(append(b, '"'), r), '"')
		} else if n := len(b); len(col.put(b, r)) == n {
			b = append(b, "null"...)
		} else {
			b = col.put(b, r)
		}
		b = append(b, ',')
	}
	b[len(b)-1] = '}'
	j.line = append(b, '\n')
	_, err := j.w.Write(j.line)
	return err
}

// Close implements interop.Writer.
func (j *JSONL) Close(pkt.Time) error { return j.w.Flush() }
