package traces

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/uqtool/uq/sim/pkt"
)

// The table of columns in FORMAT.md is the table of the program.
func TestFormatDocument(t *testing.T) {
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, c := range Columns() {
		text, def := c.Text, c.Default
		if text == "" {
			text = "-"
		}
		if def == "" {
			def = "-"
		}
		fmt.Fprintf(&want, "| %d | %s | %d | %s | %s | %s |\n", c.ID, c.Name, c.Width, c.Stored, text, def)
	}
	text := strings.ReplaceAll(string(doc), `\|`, "|")
	if !strings.Contains(text, want.String()) {
		t.Errorf("FORMAT.md must hold these rows:\n%s", strings.ReplaceAll(want.String(), "by |", `by \|`))
	}
	if !strings.Contains(string(doc), documentedNames()) {
		t.Errorf("FORMAT.md must hold these lines:\n%s", documentedNames())
	}
	for _, number := range []int{markerSize, MaxBlockBytes >> 20, MaxBlockRecords, DefaultBlockRecords, MaxEventText, bodyHead, dirEntry, flowEntry, pathEntry} {
		if !strings.Contains(text, fmt.Sprint(number)) {
			t.Errorf("FORMAT.md does not mention %d", number)
		}
	}
}

// documentedNames lists the numbers that have names.
func documentedNames() string {
	var w strings.Builder
	list := func(field string, names []string) { fmt.Fprintf(&w, "- %s: %s\n", field, strings.Join(names, ", ")) }
	var verdicts, reasons, infos, events []string
	for v := range verdictNames {
		verdicts = append(verdicts, fmt.Sprintf("%d %s", v, Verdict(v)))
	}
	for _, r := range append([]pkt.Reason{pkt.NoReason}, pkt.Reasons()...) {
		reasons = append(reasons, fmt.Sprintf("%d %s", r, r))
	}
	for _, n := range infoNames {
		infos = append(infos, fmt.Sprintf("%#x %s", uint16(n.bit), n.name))
	}
	for k := EventKind(1); int(k) < len(eventNames); k++ {
		events = append(events, fmt.Sprintf("%d %s", k, k))
	}
	list("verdict", verdicts)
	list("reason", reasons)
	list("info, a sum of", infos)
	list("event", events)
	return w.String()
}

func TestColumnsAreNumbered(t *testing.T) {
	for i, c := range Columns() {
		if columnByID(c.ID) != i || c.Width > maxWidth {
			t.Errorf("column %s has id %d at place %d", c.Name, c.ID, i)
		}
	}
}

// testBlock is a block of n records with a bit of everything.
func testBlock(n int) *Block {
	b := newBuilder()
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		r := Record{
			Time: pkt.Time(i * 1000), KernelTime: NoTime, Len: 52 + rng.Uint32N(1400), HdrLen: 52, Segs: 1,
			Seq: rng.Uint32(), VerdictTime: pkt.Time(i*1000 + 77), Due: NoTime, Dequeued: NoTime, Verdict: Accept,
		}
		r.Flow.Proto, r.Flow.SrcPort = pkt.ProtoTCP, uint16(rng.IntN(3))
		if err := b.add(&r); err != nil {
			panic(err)
		}
	}
	return &b.Block
}

// pairs makes a file of blocks given as marker and content.
type pair struct {
	m    marker
	body []byte
}

func assemble(t testing.TB, pairs []pair, edit func(m *marker)) []byte {
	t.Helper()
	f, err := newFrameWriter()
	if err != nil {
		t.Fatal(err)
	}
	var file []byte
	for _, p := range pairs {
		out, err := f.encode(p.m, p.body, nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := parseMarker(out[:markerSize])
		if err != nil {
			t.Fatal(err)
		}
		edit(&m)
		m.append(out[:0])
		file = append(file, out...)
	}
	return file
}

func packets(b *Block, body []byte) pair {
	n := b.Records()
	return pair{marker{typ: packetsBlock, count: uint32(n), t0: b.Time[0], t1: b.Time[n-1]}, body}
}

func whole(b *Block, body []byte) []pair {
	end := fmt.Sprintf(`{"records":%d}`, b.Records())
	return []pair{
		{marker{typ: headerBlock}, []byte(`{"version":"1.9","shoe_size":43}`)},
		packets(b, body),
		{marker{typ: endBlock, first: uint64(b.Records())}, []byte(end)},
	}
}

func readCount(file []byte) (int, error) {
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		return 0, err
	}
	var rec Record
	for n := 0; ; n++ {
		if err := r.Next(&rec); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}

// addColumn inserts a column of id and two planes into a packets block.
func addColumn(body []byte, n int, id uint8) []byte {
	cols := binary.LittleEndian.Uint32(body[12:])
	dirEnd := bodyHead + int(cols)*dirEntry
	at, planesAt := bodyHead, 0
	for at < dirEnd && body[at] < id {
		at += dirEntry
		for m := body[at-dirEntry+2]; m != 0; m &= m - 1 {
			planesAt += n
		}
	}
	flows, paths := binary.LittleEndian.Uint32(body[4:]), binary.LittleEndian.Uint32(body[8:])
	planesAt += dirEnd + int(flows)*flowEntry + int(paths)*pathEntry
	out := append([]byte{}, body[:at]...)
	out = append(out, id, 3, 5, 0, 9, 0, 0, 0, 0, 0, 0)
	out = append(out, body[at:planesAt]...)
	out = append(out, bytes.Repeat([]byte{7}, 2*n)...)
	out = append(out, body[planesAt:]...)
	binary.LittleEndian.PutUint32(out[12:], cols+1)
	return out
}

func TestNewerMinorVersion(t *testing.T) {
	b := testBlock(100)
	var c codec
	body := addColumn(c.appendBody(nil, b), 100, 200)
	pairs := whole(b, body)
	pairs = append(pairs[:2:2], pair{marker{typ: 77}, []byte("a new kind of block")}, pairs[2])
	newer := assemble(t, pairs, func(m *marker) { m.minor = Minor + 1 })
	if n, err := readCount(newer); n != 100 || err != nil {
		t.Errorf("newer minor version: %d records, %v", n, err)
	}
	same := assemble(t, whole(b, body), func(*marker) {})
	if n, err := readCount(same); n != 0 || err == nil || !strings.Contains(err.Error(), "column 200") {
		t.Errorf("unknown column in our version: %d records, %v", n, err)
	}
	f, err := NewFile(bytes.NewReader(newer), int64(len(newer)))
	if err != nil || f.Damage() != nil || len(f.Blocks()) != 1 {
		t.Errorf("index: %v, %v", err, f.Damage())
	}
}

func TestNewerMajorVersion(t *testing.T) {
	b := testBlock(10)
	var c codec
	file := assemble(t, whole(b, c.appendBody(nil, b)), func(m *marker) { m.major = Major + 1 })
	_, err := NewReader(bytes.NewReader(file))
	if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "get a newer uq") {
		t.Error(err)
	}
}

// Lengths that exceed the limits are refused before anything is allocated, also
// when the checksums are right.
func TestHostileLengths(t *testing.T) {
	b := testBlock(10)
	var c codec
	body := c.appendBody(nil, b)
	for name, edit := range map[string]func(m *marker){
		"decoded length":    func(m *marker) { m.size = 1 << 31 },
		"compressed length": func(m *marker) { m.comp = 1 << 31 },
		"records":           func(m *marker) { m.count = 1 << 31 },
		"record number":     func(m *marker) { m.first = 1 << 63 },
		"times":             func(m *marker) { m.t0, m.t1 = m.t1, m.t0 },
		"far time":          func(m *marker) { m.t1 = pkt.Never },
		"smaller content":   func(m *marker) { m.size-- },
		"other content":     func(m *marker) { m.sum++ },
	} {
		file := assemble(t, whole(b, body), func(m *marker) {
			if m.typ == packetsBlock {
				edit(m)
			}
		})
		n, err := readCount(file)
		if n != 0 || err == nil {
			t.Errorf("%s: %d records, %v", name, n, err)
		}
	}
}

// A frame that would unfold to more than its marker says is stopped there.
func TestDecompressionBomb(t *testing.T) {
	f, err := newFrameWriter()
	if err != nil {
		t.Fatal(err)
	}
	big := make([]byte, MaxBlockBytes+1)
	out := f.enc.EncodeAll(big, nil)
	r, err := newFrameReader()
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []uint32{10, MaxBlockBytes} {
		m := marker{size: size, sum: xxhash.Sum64(big[:size])}
		if _, err := r.decode(&m, out); err == nil {
			t.Errorf("marker says %d: no error", size)
		}
		// Two frames where one should be.
		if _, err := r.decode(&m, append(f.enc.EncodeAll(big[:size], nil), out...)); err == nil {
			t.Errorf("marker says %d, second frame follows: no error", size)
		}
	}
	if cap(r.buf) > 2*MaxBlockBytes {
		t.Errorf("allocated %d bytes", cap(r.buf))
	}
}

// The decoder of packets blocks stands on its own, without the checksum before
// it: whatever the bytes, it gives an error or a block whose indexes are valid.
func FuzzBody(f *testing.F) {
	var c codec
	f.Add(c.appendBody(nil, testBlock(100)))
	f.Fuzz(checkBody)
}

func checkBody(t *testing.T, raw []byte) {
	if len(raw) < 4 {
		return
	}
	m := marker{count: min(binary.LittleEndian.Uint32(raw), MaxBlockRecords)}
	var c codec
	var b Block
	if err := c.decodeBody(raw, &m, &b); err != nil {
		return
	}
	var r Record
	last := -MaxTime
	for i := range b.Records() {
		b.Record(i, &r)
		if err := checkRecord(&r); err != nil || r.Time < last {
			t.Fatalf("record %d: %v", i, err)
		}
		last = r.Time
	}
}

func TestSpoiledBodies(t *testing.T) {
	var c codec
	body := c.appendBody(nil, testBlock(60))
	for seed := range uint64(20000) {
		rng := rand.New(rand.NewPCG(seed, 2))
		bad := bytes.Clone(body)
		for range 1 + rng.IntN(4) {
			// Mostly in the counts and the directory.
			limit := len(bad)
			if rng.IntN(4) > 0 {
				limit = min(limit, 200)
			}
			bad[rng.IntN(limit)] = byte(rng.Uint32())
		}
		checkBody(t, bad[:len(bad)-rng.IntN(2)*rng.IntN(len(bad))])
	}
}
