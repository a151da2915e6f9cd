package table_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/interop"
	"github.com/uqtool/uq/traces/interop/interoptest"
	"github.com/uqtool/uq/traces/interop/table"
)

var update = flag.Bool("update", false, "write golden files anew")

// TestGolden holds what the sample trace looks like.
func TestGolden(t *testing.T) {
	for name, start := range map[string]func(*bytes.Buffer) interop.Writer{
		"sample.csv":          func(b *bytes.Buffer) interop.Writer { return table.NewCSV(b, table.Packets) },
		"sample.events.csv":   func(b *bytes.Buffer) interop.Writer { return table.NewCSV(b, table.Events) },
		"sample.jsonl":        func(b *bytes.Buffer) interop.Writer { return table.NewJSONL(b, table.Packets) },
		"sample.events.jsonl": func(b *bytes.Buffer) interop.Writer { return table.NewJSONL(b, table.Events) },
	} {
		var b bytes.Buffer
		interoptest.Text(t, interoptest.Sample, start(&b))
		if *update {
			if err := os.WriteFile("testdata/"+name, b.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile("testdata/" + name)
		if err != nil || !bytes.Equal(want, b.Bytes()) {
			t.Errorf("%s differs (%v):\n%s", name, err, b.Bytes())
		}
	}
}

// TestSame holds that CSV and JSON lines of a simulation are whole and tell the
// same: every value of one is that of the other.
func TestSame(t *testing.T) {
	for _, k := range []table.Kind{table.Packets, table.Events} {
		var c, j bytes.Buffer
		var l interoptest.List
		interoptest.Simulate(t, "mix.zst", "fq_codel", "rate 10mbit delay 5ms 2ms duplicate 1% corrupt 1% loss 1%",
			interop.Tee(table.NewCSV(&c, k), table.NewJSONL(&j, k), &l))
		rows, err := csv.NewReader(&c).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, e := range l.Events {
			if k == table.Events || e.Last() {
				want++
			}
		}
		lines := strings.Split(strings.TrimSuffix(j.String(), "\n"), "\n")
		if len(rows) != want+1 || len(lines) != want {
			t.Fatalf("table %d: %d rows of CSV and %d of JSON, want %d", k, len(rows)-1, len(lines), want)
		}
		for i, line := range lines {
			d := json.NewDecoder(strings.NewReader(line))
			d.UseNumber()
			obj := map[string]any{}
			if err := d.Decode(&obj); err != nil {
				t.Fatalf("line %d: %v", i, err)
			}
			for col, name := range rows[0] {
				got := ""
				switch v := obj[name].(type) {
				case json.Number:
					got = v.String()
				case string:
					got = v
				}
				if rows[i+1][col] != got {
					t.Fatalf("row %d, %s: %q in CSV, %q in JSON", i, name, rows[i+1][col], got)
				}
			}
			if len(obj) != len(rows[0]) {
				t.Fatalf("row %d has %d keys, %d columns", i, len(obj), len(rows[0]))
			}
		}
	}
}

// TestSpans holds the spans of rows against the events they were made of.
func TestSpans(t *testing.T) {
	var l interoptest.List
	interoptest.Simulate(t, "mix.zst", "fq_codel", "rate 10mbit loss 1%", &l)
	rows := table.NewRows(table.Packets)
	left := map[uint64]interop.Event{}
	kinds := map[egress.Kind]int{}
	for i := range l.Events {
		e := &l.Events[i]
		if e.Leaves {
			left[e.ID] = *e
		}
		r := rows.Row(e)
		if r == nil {
			continue
		}
		kinds[e.Kind]++
		q := left[e.ID]
		if r.Sojourn != q.Time-e.Record.Time {
			t.Fatalf("packet %d: sojourn %v, left at %v", e.ID, r.Sojourn, q.Time)
		}
		if e.Kind == egress.Deliver && (r.Delay != e.Time-e.Record.Time || r.Delivered != e.Time || r.Dequeued != q.Time) {
			t.Fatalf("packet %d: %+v", e.ID, r)
		}
		if e.Kind == egress.Drop && (r.Dropped != e.Time || (r.Dequeued == q.Time) != (e.Reason.String() == "link_loss")) {
			t.Fatalf("packet %d: %+v", e.ID, r)
		}
	}
	if kinds[egress.Deliver] < 1000 || kinds[egress.Drop] < 100 {
		t.Errorf("%v", kinds)
	}
}

// TestUplink holds that packets of a link's stations have delays but no time in
// a queue.
func TestUplink(t *testing.T) {
	var l interoptest.List
	interoptest.Simulate(t, "mix.zst", "mac80211", "wifi ht20 sta 10.0.1.2 mcs7", &l)
	rows, up := table.NewRows(table.Packets), 0
	for i := range l.Events {
		r := rows.Row(&l.Events[i])
		if r == nil || !r.Up {
			continue
		}
		up++
		if r.Sojourn != traces.NoTime || r.Dequeued != traces.NoTime || r.Kind == egress.Deliver && (r.Delay <= 0 || r.Delay > 1e12) {
			t.Fatalf("packet %d: %+v", r.ID, r)
		}
	}
	if up < 1000 {
		t.Errorf("%d uplink packets", up)
	}
}
