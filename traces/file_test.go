package traces_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/synth"
)

// copyBlock makes a copy that outlives the reader's reuse.
func copyBlock(b *traces.Block) traces.Block {
	c := traces.Block{First: b.First}
	from, to := reflect.ValueOf(b).Elem(), reflect.ValueOf(&c).Elem()
	for i := range from.NumField() {
		if f := from.Field(i); f.Kind() == reflect.Slice {
			to.Field(i).Set(reflect.AppendSlice(reflect.MakeSlice(f.Type(), 0, f.Len()), f))
		}
	}
	return c
}

func TestParallelReadEqualsSequential(t *testing.T) {
	file := makeTrace(t, makeRecords(t, synth.Mix, 10000), traces.WriterOptions{BlockRecords: 128})
	r, err := traces.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	f, err := traces.NewFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var want []traces.Block
	var b traces.Block
	for r.NextBlock(&b) == nil {
		want = append(want, copyBlock(&b))
	}
	for _, workers := range []int{1, 2, 7} {
		next := 0
		err := f.Each(workers, 0, -1, func(i int, b *traces.Block) error {
			if i != next || !reflect.DeepEqual(copyBlock(b), want[i]) {
				t.Fatalf("block %d differs", i)
			}
			next++
			return nil
		})
		if err != nil || next != len(want) {
			t.Fatal(next, err)
		}
	}
	for _, i := range []int{5, 77, 3} {
		if err := f.ReadBlock(i, &b); err != nil || !reflect.DeepEqual(copyBlock(&b), want[i]) {
			t.Fatalf("block %d differs, %v", i, err)
		}
	}
}

func TestParallelReadStops(t *testing.T) {
	file := makeTrace(t, makeRecords(t, synth.Mix, 2000), traces.WriterOptions{BlockRecords: 10})
	bad := bytes.Clone(file)
	info := blocksOf(t, file)
	bad[info[50].Offset+100] ^= 1
	f, err := traces.NewFile(bytes.NewReader(bad), int64(len(bad)))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = f.Each(4, 0, -1, func(int, *traces.Block) error { seen++; return nil })
	var d *traces.Damage
	if seen != 50 || !errors.As(err, &d) || d.Record != 500 || d.Offset != info[50].Offset {
		t.Errorf("%d blocks, %v", seen, err)
	}
	if err := f.Each(4, 10, 90, func(i int, _ *traces.Block) error { return errDisk }); err != errDisk {
		t.Error(err)
	}
}

func TestOpenAndSeek(t *testing.T) {
	rs := makeRecords(t, synth.Mix, 1000)
	path := filepath.Join(t.TempDir(), "t.zst")
	if err := os.WriteFile(path, makeTrace(t, rs, traces.WriterOptions{BlockRecords: 100}), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := traces.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if end, ok := f.End(); !ok || end.Records != 1000 || f.Damage() != nil || len(f.Blocks()) != 10 {
		t.Errorf("end %+v, damage %v, %d blocks", end, f.Damage(), len(f.Blocks()))
	}
	for i, b := range f.Blocks() {
		if b.First != uint64(100*i) || b.Records != 100 || b.Start != rs[100*i].Time || b.End != rs[100*i+99].Time {
			t.Errorf("block %d is %+v", i, b)
		}
	}
	for record, want := range map[int]int{0: 0, 99: 0, 100: 1, 555: 5, 999: 9} {
		if got := f.BlockAt(rs[record].Time); got != want {
			t.Errorf("record %d is in block %d, got %d", record, want, got)
		}
	}
	if got := f.BlockAt(pkt.Never); got != 10 {
		t.Errorf("after the end: block %d", got)
	}
	if _, err := traces.Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
