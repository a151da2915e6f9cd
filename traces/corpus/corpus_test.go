package corpus

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uqtool/uq/traces"
)

// TestCorpus reads every trace to its end and holds it to what the README says:
// real, complete, behind a stated bottleneck, small.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("*.zst")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d traces, %v", len(files), err)
	}
	var bytes, packets uint64
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n, h := read(t, name, string(data))
		if h.Scenario == nil || !strings.HasPrefix(h.Scenario.Bottleneck, "rate ") || h.Capture == nil || h.Capture.Mode != "lab" || h.Synthetic != "" || h.Comment == "" {
			t.Errorf("%s: header does not say where it comes from: %+v", name, h)
		}
		if n < 5000 || len(data) > 1<<20 {
			t.Errorf("%s: %d packets in %d bytes", name, n, len(data))
		}
		bytes += uint64(len(data))
		packets += n
	}
	if per := float64(bytes) / float64(packets); per > 6 {
		t.Errorf("%.2f bytes a packet, verdict times included; want at most 6", per)
	}
	if n, _ := read(t, DefaultName, Default()); n == 0 {
		t.Error("the embedded trace is empty")
	}
}

func read(t *testing.T, name, data string) (packets uint64, h traces.Header) {
	t.Helper()
	r, err := traces.NewReader(strings.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var rec traces.Record
	for err = r.Next(&rec); err == nil; err = r.Next(&rec) {
		packets++
		if rec.Verdict != traces.Accept || rec.VerdictTime < rec.Time {
			t.Fatalf("%s: packet %d: %v at %v, arrived %v", name, packets-1, rec.Verdict, rec.VerdictTime, rec.Time)
		}
	}
	if end, ok := r.End(); err != io.EOF || !ok || !end.Clean || end.Records != packets || len(end.Lost) > 0 {
		t.Errorf("%s: %v after %d packets, end %+v", name, err, packets, end)
	}
	return packets, r.Header()
}
