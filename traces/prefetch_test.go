package traces_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/synth"
)

// prefetched reads a file through a Prefetch until it ends.
func prefetched(t *testing.T, file []byte) ([]pkt.Packet, error) {
	t.Helper()
	r, err := traces.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	ahead := traces.NewPrefetch(r, true)
	defer ahead.Close()
	s, err := traces.NewSource(ahead, traces.SourceOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	var ps []pkt.Packet
	for {
		var p pkt.Packet
		ok, err := s.Next(&p)
		if !ok {
			return ps, err
		}
		ps = append(ps, p)
	}
}

// TestPrefetch checks that reading ahead gives the same packets in the same
// order, and the same damage at the same place.
func TestPrefetch(t *testing.T) {
	file := makeTrace(t, makeRecords(t, synth.Mix, 50000), traces.WriterOptions{})
	want := drain(t, sourceOf(t, file, traces.SourceOptions{Seed: 1}))
	got, err := prefetched(t, file)
	if err != nil {
		t.Fatal(err)
	}
	same := func(a, b pkt.Packet) bool {
		fa, fb := a.Flow, b.Flow
		a.Flow, b.Flow = nil, nil
		return a == b && *fa == *fb
	}
	if !slices.EqualFunc(got, want, same) {
		t.Error("other packets")
	}
	got, err = prefetched(t, file[:len(file)/2])
	var damage *traces.Damage
	if !errors.As(err, &damage) || uint64(len(got)) != damage.Recovered || !slices.EqualFunc(got, want[:len(got)], same) {
		t.Errorf("cut in half: %d packets, %v", len(got), err)
	}
}

// TestPrefetchClose checks that one may stop in the middle, and that nothing
// comes after.
func TestPrefetchClose(t *testing.T) {
	r, err := traces.NewReader(bytes.NewReader(makeTrace(t, makeRecords(t, synth.Mix, 50000), traces.WriterOptions{})))
	if err != nil {
		t.Fatal(err)
	}
	ahead := traces.NewPrefetch(r, true)
	var b traces.Block
	if err := ahead.NextBlock(&b); err != nil || b.Records() == 0 {
		t.Fatalf("%d records, %v", b.Records(), err)
	}
	ahead.Close()
	ahead.Close()
	if err := ahead.NextBlock(&b); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("after Close: %v", err)
	}
}
