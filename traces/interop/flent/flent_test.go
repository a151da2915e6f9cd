package flent_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/interop"
	"github.com/uqtool/uq/traces/interop/flent"
	"github.com/uqtool/uq/traces/interop/interoptest"
)

// file is what of flent's format the tests look at.
type file struct {
	Version  int                              `json:"version"`
	X        []float64                        `json:"x_values"`
	Results  map[string][]*float64            `json:"results"`
	RawJSON  map[string][]map[string]*float64 `json:"raw_values"`
	Metadata map[string]any                   `json:"metadata"`
}

func read(t *testing.T, b []byte) file {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var f file
	if err := json.NewDecoder(z).Decode(&f); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFile holds what flent asks of a file, and its sums against the run's.
func TestFile(t *testing.T) {
	var b bytes.Buffer
	var l interoptest.List
	interoptest.Simulate(t, "ecn.zst", "fq_codel ecn limit 20", "rate 5mbit", interop.Tee(flent.NewWriter(&b, interoptest.Run("fq_codel", "rate 5mbit")), &l))
	f := read(t, b.Bytes())
	if f.Version != 4 || f.Metadata["NAME"] != "qdisc-stats" || f.Metadata["T0"] != "2023-11-14T22:13:20.123456Z" || f.Metadata["STEP_SIZE"] != 0.1 {
		t.Errorf("version %d, %v", f.Version, f.Metadata)
	}
	for _, key := range []string{"TITLE", "TIME", "LENGTH", "TOTAL_LENGTH", "HOST", "HOSTS", "LOCAL_HOST", "NOTE", "TEST_PARAMETERS", "FLENT_VERSION", "IP_VERSION", "DATA_FILENAME", "SERIES_META"} {
		if f.Metadata[key] == nil {
			t.Errorf("metadata has no %s", key)
		}
	}
	var drops, marks float64
	for _, e := range l.Events {
		switch e.Kind {
		case egress.Drop:
			drops++
		case egress.Mark:
			marks++
		}
	}
	for name, want := range map[string]float64{"qdisc-stats::dropped": drops, "qdisc-stats::ecn_mark": marks} {
		if got := sum(f.Results[name]); got != want || want == 0 {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if n := len(f.X); n < 50 || n != int(l.End/1e8)+1 && n != int(l.End/1e8) {
		t.Errorf("%d steps of a run of %v", n, l.End)
	}
	for name, v := range f.Results {
		if len(v) != len(f.X) {
			t.Errorf("%s has %d values of %d", name, len(v), len(f.X))
		}
	}
	if raw := f.RawJSON["qdisc-stats"]; len(raw) != len(f.X) || *raw[0]["t"] < 1.7e9 {
		t.Errorf("%d raw values", len(raw))
	}
	steps(t, &f, &l)
}

func sum(v []*float64) (s float64) {
	for _, x := range v {
		if x != nil {
			s += *x
		}
	}
	return s
}

// steps computes backlog and delay of each step again.
func steps(t *testing.T, f *file, l *interoptest.List) {
	t.Helper()
	backlog, i := 0.0, 0
	for n := range f.X {
		var sojourn pkt.Time
		left := 0
		for ; i < len(l.Events) && l.Events[i].Time < pkt.Time(n+1)*1e8; i++ {
			e := &l.Events[i]
			if e.Kind == egress.Enqueue {
				backlog++
			}
			if e.Leaves {
				backlog--
			}
			if e.Kind == egress.Dequeue {
				sojourn += e.Sojourn()
				left++
			}
		}
		if got := *f.Results["qdisc-stats::backlog_pkts"][n]; got != backlog {
			t.Fatalf("step %d: backlog %v, want %v", n, got, backlog)
		}
		delay := f.Results["qdisc-stats::delay"][n]
		if (delay == nil) != (left == 0) || left > 0 && *delay != float64(int64(sojourn)/int64(left))/1e6 {
			t.Fatalf("step %d: delay %v, want %v of %d", n, delay, sojourn, left)
		}
	}
}

// TestLong holds that a run of any length takes bounded memory and loses nothing.
func TestLong(t *testing.T) {
	var b bytes.Buffer
	w := flent.NewWriter(&b, interop.Run{})
	r := traces.Record{Segs: 1, Len: 100}
	const n = 20_000
	for i := range n {
		at := pkt.Time(i) * pkt.Time(time.Minute)
		r.Time = at
		for _, e := range []interop.Event{
			{Time: at, Kind: egress.Enqueue, Record: &r, Size: 100},
			{Time: at + 5e6, Kind: egress.Drop, Leaves: true, Record: &r, Size: 100},
		} {
			if err := w.Event(&e); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(n * pkt.Time(time.Minute)); err != nil {
		t.Fatal(err)
	}
	f := read(t, b.Bytes())
	if len(f.X) > 4097 || len(f.X) < 2048 || sum(f.Results["qdisc-stats::dropped"]) != n {
		t.Errorf("%d steps, %v dropped", len(f.X), sum(f.Results["qdisc-stats::dropped"]))
	}
}
