package pcap_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/interop/interoptest"
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

// TestLinkHeader imports what was exported: raw packets, whose link-layer header
// counts as before.
func TestLinkHeader(t *testing.T) {
	for _, n := range []int{0, 14, traces.MaxLinkHeader, traces.MaxLinkHeader + 1} {
		want := n
		if n > traces.MaxLinkHeader {
			want = 0 // no trace may have it
		}
		var b bytes.Buffer
		run := interoptest.Run("pfifo", "rate 20mbit")
		run.Header.LinkHeader = n
		w, err := pcap.NewWriter(&b, run)
		if err != nil {
			t.Fatal(err)
		}
		interoptest.Text(t, interoptest.Sample, w)
		for _, side := range []string{"arrivals", "departures"} {
			m, err := pcap.Open(bytes.NewReader(b.Bytes()), pcap.Options{Interface: side})
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Header().LinkHeader; got != want {
				t.Errorf("%s: link_header %d became %d", side, n, got)
			}
		}
	}
}

// isDamage says whether err is the damage of a capture.
func isDamage(err error) bool {
	var d *pcap.Damage
	return errors.As(err, &d)
}
