package pcap_test

import (
	"bytes"
	"errors"
	"io"

	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/interop/pcap"
)

// failer is a test of either kind.
type failer interface {
	Helper()
	Fatal(...any)
}

// collected are the records of an import.
type collected struct {
	recs   []traces.Record
	events []traces.Event
	end    traces.End
}

func (c *collected) Append(r *traces.Record) error {
	c.recs = append(c.recs, *r)
	return nil
}

func (c *collected) Event(e traces.Event) error {
	c.events = append(c.events, e)
	return nil
}
func (c *collected) Flush() error { return nil }
func (c *collected) Close(e traces.End) error {
	c.end = e
	return nil
}

// imported imports a whole file.
func imported(t failer, file []byte, o pcap.Options) ([]traces.Record, pcap.Report) {
	t.Helper()
	c, rep, err := tryImport(bytes.NewReader(file), o)
	if err != nil {
		t.Fatal(err)
	}
	return c.recs, rep
}

func tryImport(r io.Reader, o pcap.Options) (*collected, pcap.Report, error) {
	m, err := pcap.Open(r, o)
	if err != nil {
		return nil, pcap.Report{}, err
	}
	c := &collected{}
	err = m.Copy(c)
	return c, m.Report(), err
}

// isDamage says whether err is the damage of a capture.
func isDamage(err error) bool {
	var d *pcap.Damage
	return errors.As(err, &d)
}
