package cli

import (
	"io"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/explain/diff"
)

// FuzzDiffEvents reads anything as two runs' events: it is compared or refused
// with the line's number, and a run is always the same as itself.
func FuzzDiffEvents(f *testing.F) {
	const flow = `"qdisc":"pfifo","len":9,"flow":"udp 10.0.0.1:1>10.0.0.2:2"}` + "\n"
	f.Add(`{"time_ns":0,"kind":"enqueue","packet":0,` + flow + `{"time_ns":5,"kind":"drop","reason":"aqm","packet":0,` + flow)
	f.Add(`{"kind":"uplink","packet":7,` + flow + `{"kind":"mark","packet":7,` + flow + `{"kind":"deliver","packet":7,` + flow)
	f.Add(`{"kind":"enqueue","packet":18446744073709551615,` + flow)
	f.Add("\n{}\n")
	f.Fuzz(func(t *testing.T, text string) {
		d := diff.New(diff.Options{Context: 1})
		var runs [2]*eventRun
		for side := range runs {
			runs[side] = newEventRun(strings.NewReader(text), io.NopCloser(nil), "x.jsonl", d, side)
		}
		for more := true; more; {
			for _, r := range runs {
				var err error
				if more, err = r.pull(); err != nil {
					if !strings.HasPrefix(err.Error(), "x.jsonl:") {
						t.Fatalf("error %q names no line", err)
					}
					return
				}
			}
		}
		if r := d.Result(1); !r.Same {
			t.Errorf("a run differs from itself: %+v", r)
		}
	})
}
