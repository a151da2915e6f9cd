package traces_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/synth"
)

// wholeBlocks hides that a Reader is one, so that a Source has its blocks decoded
// whole.
type wholeBlocks struct{ traces.BlockReader }

// TestSourceByWindows checks that a Source which has blocks decoded a window at a
// time gives what it gives of whole blocks, wherever it begins and ends.
func TestSourceByWindows(t *testing.T) {
	for _, kind := range synth.Kinds() {
		file := makeTrace(t, makeRecords(t, kind, 5000), traces.WriterOptions{BlockRecords: 700})
		all := drain(t, sourceOf(t, file, traces.SourceOptions{}))
		for seed := range uint64(10) {
			rng := rand.New(rand.NewPCG(seed, 3))
			o := traces.SourceOptions{Seed: seed, Split: rng.IntN(2) == 0, NoTransport: rng.IntN(2) == 0}
			if rng.IntN(3) > 0 {
				o.From = all[rng.IntN(len(all))].Arrival
			}
			if rng.IntN(3) > 0 {
				o.To = o.From + pkt.Time(rng.Int64N(int64(all[len(all)-1].Arrival-o.From)+1)) + 1
			}
			if rng.IntN(3) == 0 {
				o.Limit = 1 + rng.Uint64N(5000)
			}
			r, err := traces.NewReader(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			r.SkipTo(o.From)
			src, err := traces.NewSource(wholeBlocks{r}, o)
			if err != nil {
				t.Fatal(err)
			}
			got, want := drain(t, sourceOf(t, file, o)), drain(t, src)
			if len(got) != len(want) || len(want) == 0 {
				t.Fatalf("%s, %+v: %d packets, want %d", kind, o, len(got), len(want))
			}
			for i, p := range got {
				q := want[i]
				if *p.Flow != *q.Flow {
					t.Fatalf("%s, %+v: packet %d of flow %v, want %v", kind, o, i, p.Flow, q.Flow)
				}
				if o.NoTransport {
					p.TCPFlags, p.Seq, p.Ack, q.TCPFlags, q.Seq, q.Ack = 0, 0, 0, 0, 0, 0
				}
				if p.Flow, q.Flow = nil, nil; p != q {
					t.Fatalf("%s, %+v: packet %d is %+v, want %+v", kind, o, i, p, q)
				}
			}
		}
	}
}
