package traces_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/synth"
)

func readAll(t testing.TB, file []byte) ([]traces.Record, error) {
	t.Helper()
	r, err := traces.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	var rs []traces.Record
	for {
		var rec traces.Record
		if err := r.Next(&rec); err == io.EOF {
			return rs, nil
		} else if err != nil {
			return rs, err
		}
		rs = append(rs, rec)
	}
}

func TestRoundTripOfSyntheticTraffic(t *testing.T) {
	for _, kind := range synth.Kinds() {
		rs := makeRecords(t, kind, 20000)
		got, err := readAll(t, makeTrace(t, rs, traces.WriterOptions{}))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(rs, got); d != "" {
			t.Errorf("%s: %s", kind, d)
		}
	}
}
