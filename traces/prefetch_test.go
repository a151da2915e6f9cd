package traces_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
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
	s, err := traces.NewSource(r, traces.SourceOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	ahead := traces.NewPrefetch(s)
	defer ahead.Close()
	var ps []pkt.Packet
	for {
		var p pkt.Packet
		ok, err := ahead.Next(&p)
		if !ok {
			return ps, err
		}
		ps = append(ps, p)
	}
}

// onProcessors runs f where a Prefetch has a goroutine and where it has none.
func onProcessors(t *testing.T, f func(t *testing.T)) {
	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprintf("processors=%d", n), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			f(t)
		})
	}
}

// filled is prefetched by Fill, in portions of 1 to 100 packets.
func filled(t *testing.T, file []byte) ([]pkt.Packet, error) {
	t.Helper()
	ahead := traces.NewPrefetch(sourceOf(t, file, traces.SourceOptions{Seed: 1}))
	defer ahead.Close()
	var pool pkt.Pool
	var all []pkt.Packet
	for {
		ps := make([]*pkt.Packet, 1+len(all)%100)
		for i := range ps {
			ps[i] = pool.Get()
		}
		n, err := ahead.Fill(ps)
		for _, p := range ps[:n] {
			all = append(all, *p)
		}
		for _, p := range ps {
			pool.Put(p)
		}
		if n == 0 {
			return all, err
		}
	}
}

// TestPrefetch checks that reading ahead gives the same packets in the same
// order, and the same damage at the same place.
func TestPrefetch(t *testing.T) { onProcessors(t, testPrefetch) }

func testPrefetch(t *testing.T) {
	file := makeTrace(t, makeRecords(t, synth.Mix, 50000), traces.WriterOptions{})
	want := drain(t, sourceOf(t, file, traces.SourceOptions{Seed: 1}))
	same := func(a, b pkt.Packet) bool {
		fa, fb := a.Flow, b.Flow
		a.Flow, b.Flow = nil, nil
		return a == b && *fa == *fb
	}
	for name, read := range map[string]func(*testing.T, []byte) ([]pkt.Packet, error){"Next": prefetched, "Fill": filled} {
		got, err := read(t, file)
		if err != nil || !slices.EqualFunc(got, want, same) {
			t.Errorf("%s: other packets, %v", name, err)
		}
		got, err = read(t, file[:len(file)/2])
		var damage *traces.Damage
		if !errors.As(err, &damage) || uint64(len(got)) != damage.Recovered || !slices.EqualFunc(got, want[:len(got)], same) {
			t.Errorf("%s, cut in half: %d packets, %v", name, len(got), err)
		}
	}
}

// TestPrefetchClose checks that one may stop in the middle, and that nothing
// comes after.
func TestPrefetchClose(t *testing.T) { onProcessors(t, testPrefetchClose) }

func testPrefetchClose(t *testing.T) {
	file := makeTrace(t, makeRecords(t, synth.Mix, 50000), traces.WriterOptions{})
	ahead := traces.NewPrefetch(sourceOf(t, file, traces.SourceOptions{}))
	var p pkt.Packet
	if ok, err := ahead.Next(&p); err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	ahead.Close()
	ahead.Close()
	if ok, err := ahead.Next(&p); ok || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("after Close: %v, %v", ok, err)
	}
}

// TestPrefetchEnds checks that the end is told again to who asks again, after
// Close, too.
func TestPrefetchEnds(t *testing.T) { onProcessors(t, testPrefetchEnds) }

func testPrefetchEnds(t *testing.T) {
	ahead := traces.NewPrefetch(sourceOf(t, makeTrace(t, makeRecords(t, synth.Mix, 1), traces.WriterOptions{}), traces.SourceOptions{}))
	var p pkt.Packet
	if ok, err := ahead.Next(&p); err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	for range 3 {
		if ok, err := ahead.Next(&p); ok || err != nil {
			t.Errorf("at the end: %v, %v", ok, err)
		}
		ahead.Close()
	}
}
