//go:build interop

package tools

import "github.com/uqtool/uq/traces"

// counting is a sink that counts.
type counting struct {
	records int
	bytes   uint64
}

func (c *counting) Append(r *traces.Record) error {
	c.records++
	c.bytes += uint64(r.Len)
	return nil
}
func (c *counting) Event(traces.Event) error { return nil }
func (c *counting) Flush() error             { return nil }
func (c *counting) Close(traces.End) error   { return nil }
