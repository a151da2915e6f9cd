package traces_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/synth"
)

const smallBlock = 50

// smallTrace is a trace of 6 blocks of records with an event in each.
func smallTrace(t testing.TB) ([]byte, []traces.Record) {
	rs := makeRecords(t, synth.MixFIFO, 6*smallBlock)
	var buf bytes.Buffer
	w, err := traces.NewWriter(&buf, traces.Header{Tool: "test"}, traces.WriterOptions{BlockRecords: smallBlock})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rs {
		if i%smallBlock == 7 {
			if err := w.Event(traces.Event{Time: rs[i].Time, Kind: traces.Note, Text: "something"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Append(&rs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(traces.End{Clean: true}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), rs
}

func blocksOf(t testing.TB, file []byte) []traces.BlockInfo {
	t.Helper()
	f, err := traces.NewFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return f.Blocks()
}

// readRecords reads all records of a trace that may be damaged.
func readRecords(file []byte, salvage bool) ([]traces.Record, error) {
	open := traces.NewReader
	if salvage {
		open = traces.Salvage
	}
	r, err := open(bytes.NewReader(file))
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

// A trace cut at any byte gives every whole block before the cut.
func TestTruncation(t *testing.T) {
	file, rs := smallTrace(t)
	blocks := blocksOf(t, file)
	for cut := int(blocks[3].Offset); cut < len(file); cut++ {
		want := 0
		for _, b := range blocks {
			if b.Offset+b.Size <= int64(cut) {
				want += b.Records
			}
		}
		got, err := readRecords(file[:cut], cut%2 == 0)
		var d *traces.Damage
		if !errors.As(err, &d) || !errors.Is(err, traces.ErrTruncated) {
			t.Fatalf("cut at %d: error %v", cut, err)
		}
		if len(got) != want || d.Recovered != uint64(want) || d.Record != uint64(want) || d.Offset > int64(cut) {
			t.Fatalf("cut at %d: %d of %d records, %+v", cut, len(got), want, d)
		}
		for i := range got {
			if got[i] != rs[i] {
				t.Fatalf("cut at %d: record %d differs", cut, i)
			}
		}
		f, err := traces.NewFile(bytes.NewReader(file[:cut]), int64(cut))
		if err != nil || len(f.Blocks()) != want/smallBlock || !errors.Is(f.Damage(), traces.ErrTruncated) {
			t.Fatalf("cut at %d: index of %d blocks, %v, %v", cut, len(f.Blocks()), err, f.Damage())
		}
	}
}

func TestTruncatedHeader(t *testing.T) {
	file, _ := smallTrace(t)
	for cut := range 100 {
		if _, err := traces.NewReader(bytes.NewReader(file[:cut])); err == nil {
			t.Fatalf("cut at %d: no error", cut)
		}
	}
}

// After damage in the middle Salvage goes on at the next whole block
// and says how much is missing.
func TestSalvage(t *testing.T) {
	file, rs := smallTrace(t)
	b := blocksOf(t, file)[2]
	mid := int(b.Offset + b.Size/2)
	for name, spoil := range map[string]func([]byte) []byte{
		"changed":  func(f []byte) []byte { f[mid] ^= 0x40; return f },
		"removed":  func(f []byte) []byte { return append(f[:mid], f[mid+9:]...) },
		"inserted": func(f []byte) []byte { return append(f[:mid:mid], append([]byte("nonsense"), f[mid:]...)...) },
		"marker":   func(f []byte) []byte { f[b.Offset+24] ^= 1; return f },
		"block":    func(f []byte) []byte { return append(f[:b.Offset], f[b.Offset+b.Size:]...) },
	} {
		bad := spoil(bytes.Clone(file))
		got, err := readRecords(bad, true)
		var d *traces.Damage
		if !errors.As(err, &d) {
			t.Fatalf("%s: %v", name, err)
		}
		want := append(append([]traces.Record{}, rs[:2*smallBlock]...), rs[3*smallBlock:]...)
		if len(got) != len(want) || d.Lost != smallBlock || d.Record != 2*smallBlock || d.Recovered != uint64(len(want)) {
			t.Errorf("%s: %d records, %+v", name, len(got), d)
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%s: record %d differs", name, i)
			}
		}
		if got, err = readRecords(bad, false); len(got) != 2*smallBlock || !errors.As(err, &d) || d.Lost != 0 {
			t.Errorf("%s, without Salvage: %d records, %v", name, len(got), err)
		}
	}
}

func TestSalvageWithoutHeader(t *testing.T) {
	file, rs := smallTrace(t)
	bad := bytes.Clone(file)
	bad[90] ^= 1
	first := blocksOf(t, file)[0]
	for name, f := range map[string][]byte{
		"damaged header": bad, "no header": file[first.Offset:], "junk before": append([]byte("junk"), file...),
	} {
		got, err := readRecords(f, true)
		var d *traces.Damage
		if len(got) != len(rs) || !errors.As(err, &d) || d.Lost != 0 || d.Offset != 0 {
			t.Errorf("%s: %d records, %v", name, len(got), err)
		}
		if got, err := readRecords(f, false); len(got) != 0 || err == nil {
			t.Errorf("%s, without Salvage: %d records, %v", name, len(got), err)
		}
	}
	if _, err := traces.Salvage(strings.NewReader("no trace at all")); !errors.Is(err, traces.ErrNotTrace) {
		t.Error(err)
	}
}

func TestWhatFollowsTheEnd(t *testing.T) {
	file, rs := smallTrace(t)
	for name, tail := range map[string][]byte{"another trace": file, "after the end": []byte("x")} {
		got, err := readRecords(append(bytes.Clone(file), tail...), false)
		if len(got) != len(rs) || !errors.Is(err, traces.ErrTrailing) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %d records, %v", name, len(got), err)
		}
		all := append(bytes.Clone(file), tail...)
		f, err := traces.NewFile(bytes.NewReader(all), int64(len(all)))
		if err != nil || !errors.Is(f.Damage(), traces.ErrTrailing) {
			t.Errorf("%s: %v, %v", name, err, f.Damage())
		}
	}
}

func TestBlockOfAnotherTrace(t *testing.T) {
	file, _ := smallTrace(t)
	other := makeTrace(t, makeRecords(t, synth.MixFIFO, 6*smallBlock), traces.WriterOptions{BlockRecords: smallBlock})
	a, b := blocksOf(t, file), blocksOf(t, other)
	mixed := append(bytes.Clone(file[:a[2].Offset]), other[b[2].Offset:]...)
	got, err := readRecords(mixed, false)
	if len(got) != 2*smallBlock || err == nil || !strings.Contains(err.Error(), "another trace") {
		t.Errorf("%d records, %v", len(got), err)
	}
}

func TestNotATrace(t *testing.T) {
	for head, want := range map[string]string{
		"":                      "empty",
		"hello":                 "no block marker",
		"\xd4\xc3\xb2\xa1....":  "uq trace import",
		"\x28\xb5\x2f\xfd.....": "compressed by zstd",
		"uq-trace-text 1\n":     "uq trace pack",
	} {
		_, err := traces.NewReader(strings.NewReader(head))
		if !errors.Is(err, traces.ErrNotTrace) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", head, err)
		}
	}
}

func TestReadErrorIsNotTruncation(t *testing.T) {
	file, _ := smallTrace(t)
	r, err := traces.NewReader(io.MultiReader(bytes.NewReader(file[:2000]), iotest.ErrReader(errDisk)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = readItems(r)
	if !errors.Is(err, errDisk) || errors.Is(err, traces.ErrTruncated) {
		t.Error(err)
	}
	if _, err := traces.NewReader(iotest.ErrReader(errDisk)); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	if _, err := traces.NewReader(iotest.OneByteReader(bytes.NewReader(file))); err != nil {
		t.Error(err)
	}
}

// spoil damages a copy of file somehow.
func spoil(rng *rand.Rand, file []byte) []byte {
	bad := bytes.Clone(file)
	for range 1 + rng.IntN(3) {
		at := rng.IntN(len(bad))
		switch rng.IntN(6) {
		case 0, 1:
			bad[at] ^= 1 << rng.IntN(8)
		case 2:
			bad[at] = byte(rng.Uint32())
		case 3: // a splice
			from := rng.IntN(len(file))
			n := rng.IntN(len(file) - from)
			bad = append(append(bad[:at:at], file[from:from+n]...), bad[at:]...)
		case 4:
			bad = bad[:max(1, at)]
		case 5: // a hostile length
			for i := at; i < min(at+4, len(bad)); i++ {
				bad[i] = 0xff
			}
		}
	}
	return bad
}

// However a trace is damaged, reading it ends with an error or with the records
// unharmed, never with a panic and never with much memory.
func TestDamagedTraces(t *testing.T) {
	file, rs := smallTrace(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for seed := range uint64(10000) {
		bad := spoil(rand.New(rand.NewPCG(seed, 1)), file)
		got, err := readRecords(bad, seed%2 == 0)
		if err == nil && len(got) != len(rs) {
			t.Fatalf("seed %d: %d records without an error", seed, len(got))
		}
		for i := range got {
			if seed%2 == 1 && got[i] != rs[i] {
				t.Fatalf("seed %d: record %d differs", seed, i)
			}
		}
	}
	runtime.ReadMemStats(&after)
	if perRun := (after.TotalAlloc - before.TotalAlloc) / 10000; perRun > 4<<20 {
		t.Errorf("reading a damaged trace of %d bytes allocates %d bytes", len(file), perRun)
	}
}

func FuzzReader(f *testing.F) {
	file, _ := smallTrace(f)
	f.Add(file)
	for seed := range uint64(20) {
		f.Add(spoil(rand.New(rand.NewPCG(seed, 1)), file))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = readRecords(data, true)
		file, err := traces.NewFile(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		var b traces.Block
		for i := range file.Blocks() {
			if err := file.ReadBlock(i, &b); err != nil {
				return
			}
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add("uq-trace-text 1\nheader {}\np time=0.1 flow=udp,10.0.0.1:1>10.0.0.2:2 len=100\nevent time=1 kind=note text=\"x\"\nend {}\n")
	f.Fuzz(func(t *testing.T, text string) {
		src, err := traces.NewTextReader(strings.NewReader(text))
		if err != nil {
			return
		}
		items, err := readItems(src)
		if err != nil {
			return
		}
		// What the reader accepts can be written, and reads the same.
		var out bytes.Buffer
		w, err := traces.NewWriter(&out, src.Header(), traces.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			if it.Event != nil {
				err = w.Event(*it.Event)
			} else {
				err = w.Append(it.Record)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(traces.End{}); err != nil {
			t.Fatal(err)
		}
		got, err := readTrace(out.Bytes())
		if err != nil || len(got) != len(items) {
			t.Fatal(len(got), len(items), err)
		}
	})
}

func TestDamageNamesRecord(t *testing.T) {
	d := &traces.Damage{Offset: 12, Record: 3, Recovered: 3, Places: 1, Err: errDisk}
	if got := d.Error(); got != "trace is damaged at byte 12, record 3: disk is full: 3 records recovered" {
		t.Error(got)
	}
	for places, want := range map[int]string{1: ", 7 known lost at 1 damaged place", 2: ", 7 known lost at 2 damaged places"} {
		if d.Lost, d.Places = 7, places; !strings.HasSuffix(d.Error(), want) {
			t.Errorf("%v, want %s", d, want)
		}
	}
}
