package pcap_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/interop/pcap"
)

// TestChoice holds what the options take, in both byte orders.
func TestChoice(t *testing.T) {
	for _, c := range []struct {
		name    string
		o       pcap.Options
		lens    []uint32
		skipped string
	}{
		{"all", pcap.Options{Interface: "all"}, []uint32{1600, 100, 200}, ""},
		{"by name", pcap.Options{Interface: "eth1"}, []uint32{200}, "another interface"},
		{"by number", pcap.Options{Interface: "0"}, []uint32{1600, 100}, "another interface"},
		{"in", pcap.Options{Interface: "all", Direction: "in"}, []uint32{1600, 100}, "another direction"},
		{"out", pcap.Options{Interface: "all", Direction: "out"}, []uint32{200}, "another direction"},
		{"src", pcap.Options{Interface: "all", Src: netip.MustParsePrefix("10.0.0.2/31")}, []uint32{200}, "another address"},
		{"dst", pcap.Options{Interface: "all", Dst: netip.MustParsePrefix("10.0.0.2/32")}, []uint32{1600, 100}, "another address"},
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			recs, rep := imported(t, twoSided(order), c.o)
			var lens []uint32
			for _, r := range recs {
				lens = append(lens, r.Len)
			}
			if d := cmp.Diff(c.lens, lens); d != "" {
				t.Errorf("%s, %v: %s", c.name, order, d)
			}
			why := map[string]uint64{}
			for _, s := range rep.Skipped {
				why[s.Why] = s.Packets
			}
			if n := why[c.skipped]; c.skipped != "" && n != uint64(3-len(lens)) {
				t.Errorf("%s, %v: skipped %v", c.name, order, why)
			}
			if why["no timestamp (simple packet block)"] != 1 || rep.Packets != 4 || rep.Blocks != 2 {
				t.Errorf("%s, %v: %+v", c.name, order, rep)
			}
		}
	}
	if _, _, err := tryImport(bytes.NewReader(twoSided(binary.LittleEndian)), pcap.Options{}); !errors.Is(err, pcap.ErrSeveral) {
		t.Errorf("several interfaces: %v", err)
	}
	_, _, err := tryImport(bytes.NewReader(twoSided(binary.LittleEndian)), pcap.Options{Interface: "eth7"})
	if want := `no such interface: "eth7": there are 0 (`; !errors.Is(err, pcap.ErrInterface) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("no such interface: %v, want %s", err, want)
	}
}

// TestRecords holds times, devices, losses and remarks.
func TestRecords(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		m, err := pcap.Open(bytes.NewReader(twoSided(order)), pcap.Options{Interface: "all", Name: "x"})
		if err != nil {
			t.Fatal(err)
		}
		h := m.Header()
		if h.Anchor.RealtimeNs != 1e18+500 || len(h.Devices) != 2 || h.Devices[1].Name != "eth1" || h.LinkHeader != 0 {
			t.Errorf("header %+v", h)
		}
		var c collected
		if err := m.Copy(&c); err != nil {
			t.Fatal(err)
		}
		for i, want := range []struct {
			at   pkt.Time
			info traces.Info
			segs uint16
			path traces.Path
		}{
			{0, traces.GSO | traces.SegsEstimated, 2, traces.Path{InDev: 1}},
			{500, 0, 1, traces.Path{InDev: 1}},
			{1500, 0, 1, traces.Path{OutDev: 2}},
		} {
			if r := c.recs[i]; r.Time != want.at || r.Info != want.info || r.Segs != want.segs || r.Path != want.path {
				t.Errorf("record %d: %+v", i, r)
			}
		}
		rep := m.Report()
		if rep.Lost != 5 || rep.Cut != 3 || rep.Super != 1 || !c.end.Clean {
			t.Errorf("%+v, end %+v", rep, c.end)
		}
		if len(c.events) != 2 || c.events[0].Kind != traces.IDGap || c.events[0].Count != 5 || c.events[1].Kind != traces.Note {
			t.Errorf("events %+v", c.events)
		}
	}
}

// TestOrder holds that packets out of order are sorted within a window, and get
// the time of the one before beyond it.
func TestOrder(t *testing.T) {
	m := &maker{order: binary.LittleEndian}
	m.section().iface(101, "x", 9)
	data := ipUDP("10.0.0.1", "10.0.0.2", 28)
	const n = 5000
	for i := range uint64(n) {
		ts := 1e6 + i*10
		switch i {
		case 2000:
			ts -= 9000 // 900 packets back: within the window
		case 4000:
			ts -= 20000 // 2000 packets back
		}
		m.packet(0, ts, 28, data)
	}
	recs, rep := imported(t, m.b, pcap.Options{})
	if len(recs) != n || rep.Early != 1 || rep.EarlyNs <= 0 || rep.EarlyNs > 20000 {
		t.Fatalf("%d records, %+v", len(recs), rep)
	}
	for i := range recs[1:] {
		if recs[i+1].Time < recs[i].Time {
			t.Fatalf("record %d at %v after one at %v", i+1, recs[i+1].Time, recs[i].Time)
		}
	}
}

// TestDamage holds that a damaged capture gives what is before the damage.
func TestDamage(t *testing.T) {
	m := func() *maker {
		m := &maker{order: binary.LittleEndian}
		return m.section().iface(101, "x", 9).packet(0, 1, 28, ipUDP("10.0.0.1", "10.0.0.2", 28))
	}
	with := func(edit func(*maker)) []byte {
		x := m()
		edit(x)
		return x.b
	}
	for name, file := range map[string][]byte{
		"huge caplen":          with(func(m *maker) { m.block(6, m.u32(0, 0, 2, 0xfffffff0, 0xfffffff0)) }),
		"caplen beyond":        with(func(m *maker) { m.block(6, m.u32(0, 0, 2, 8, 8), m.u32(1)) }),
		"huge block":           with(func(m *maker) { m.b = append(m.b, m.u32(6, 0xfffffff0, 0)...) }),
		"tiny block":           with(func(m *maker) { m.b = append(m.b, m.u32(6, 8, 8)...) }),
		"odd block":            with(func(m *maker) { m.b = append(m.b, m.u32(6, 33, 8)...) }),
		"lengths differ":       with(func(m *maker) { m.block(0x77, nil); m.packet(0, 2, 28, nil); m.b[len(m.b)-4]++ }),
		"option beyond":        with(func(m *maker) { m.packet(0, 2, 28, nil, m.u16(2, 400), m.u32(0)) }),
		"no such interface":    with(func(m *maker) { m.packet(7, 2, 28, nil) }),
		"no byte order":        with(func(m *maker) { m.block(0x0A0D0D0A, m.u32(7, 7, 7, 7)) }),
		"resolution too fine":  with(func(m *maker) { m.iface(101, "y", 63).packet(1, 2, 28, nil) }),
		"resolution of 2^-30":  with(func(m *maker) { m.iface(101, "y", 0x80|30).packet(1, 2, 28, nil) }),
		"cut inside of a head": with(func(m *maker) { m.b = append(m.b, 6, 0, 0) }),
	} {
		c, rep, err := tryImport(bytes.NewReader(file), pcap.Options{Interface: "all"})
		if !isDamage(err) || c == nil || len(c.recs) != 1 || c.end.Clean || c.end.Why == "" {
			t.Errorf("%s: %v, %+v, %+v", name, err, rep, c)
		}
	}
}

// TestLongBlocks holds that blocks which hold no packets may be longer than those
// that do: names and secrets of a long capture are.
func TestLongBlocks(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		m := &maker{order: order}
		m.section().iface(101, "x", 9).block(0x0a, make([]byte, 3*pcap.MaxBlock)).packet(0, 1, 28, ipUDP("10.0.0.1", "10.0.0.2", 28))
		c, rep, err := tryImport(bytes.NewReader(m.b), pcap.Options{})
		if err != nil || len(c.recs) != 1 || rep.Blocks != 1 {
			t.Errorf("%v: %v, %+v", order, err, rep)
		}
	}
}

// TestCut holds that every beginning of a capture is either whole so far or told
// to be cut.
func TestCut(t *testing.T) {
	for _, name := range []string{"testdata/real/raw.pcap", "testdata/sample.pcapng"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		whole := 0
		for n := range data {
			_, _, err := tryImport(bytes.NewReader(data[:n]), pcap.Options{Interface: "all"})
			switch {
			case err == nil:
				whole++
			case isDamage(err), errors.Is(err, pcap.ErrNotCapture), strings.Contains(err.Error(), "header"):
			default:
				t.Fatalf("%s cut to %d bytes: %v", name, n, err)
			}
		}
		// The ends of blocks: of raw.pcap two, the sample has a section, three
		// interfaces, 15 packets and 3 statistics.
		if want := map[string]int{"testdata/real/raw.pcap": 2, "testdata/sample.pcapng": 21}[name]; whole != want {
			t.Errorf("%s: %d beginnings are whole, want %d", name, whole, want)
		}
	}
}

// TestRefused holds what is no capture, and what nobody can read.
func TestRefused(t *testing.T) {
	unknown := &maker{order: binary.LittleEndian}
	unknown.section().iface(147, "user0", 9).packet(0, 1, 4, []byte("abcd"))
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"empty": {nil, pcap.ErrNotCapture}, "text": {[]byte("hello, world"), pcap.ErrNotCapture},
		"user0": {unknown.b, pcap.ErrLink},
	} {
		if _, _, err := tryImport(bytes.NewReader(c.file), pcap.Options{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCompressed holds that compressed captures are those inside.
func TestCompressed(t *testing.T) {
	data, err := os.ReadFile("testdata/sample.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	var gz, zst bytes.Buffer
	g := gzip.NewWriter(&gz)
	z, _ := zstd.NewWriter(&zst)
	for _, w := range []io.WriteCloser{g, z} {
		if _, err := w.Write(data); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
	}
	want, _ := imported(t, data, pcap.Options{Interface: "all"})
	for name, b := range map[string][]byte{"gzip": gz.Bytes(), "zstd": zst.Bytes()} {
		got, _ := imported(t, b, pcap.Options{Interface: "all"})
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		_, _, err := tryImport(bytes.NewReader(b[:len(b)-9]), pcap.Options{Interface: "all"})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s cut: %v", name, err)
		}
	}
}

// endless repeats what it has; memory says how much the process used meanwhile.
type endless struct {
	first, again []byte
	at           int
	left         int
	peak         uint64
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.first) > 0 {
		n := copy(p, e.first)
		e.first = e.first[n:]
		return n, nil
	}
	if e.left <= 0 && e.at == 0 {
		return 0, io.EOF
	}
	n := copy(p, e.again[e.at:])
	e.at = (e.at + n) % len(e.again)
	before := e.left >> 22
	if e.left -= n; e.left>>22 != before {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		e.peak = max(e.peak, m.HeapAlloc)
	}
	return n, nil
}

// TestMemory holds that a stream of what a reader could remember, 64 MB of it,
// costs no memory: names, secrets, comments, interfaces, flows, reasons.
func TestMemory(t *testing.T) {
	start := func() *maker { return (&maker{order: binary.LittleEndian}).section().iface(101, "x", 9) }
	head := start().b
	for name, again := range map[string]func(m *maker){
		"names":   func(m *maker) { m.block(4, m.u16(1, 8), []byte("\x0a\x00\x00\x01abc\x00"), make([]byte, 4096)) },
		"secrets": func(m *maker) { m.block(10, m.u32(0x544c534b, 60000), make([]byte, 60000)) },
		"comments": func(m *maker) {
			m.packet(0, 1, 28, nil, m.option(1, make([]byte, 60000)), m.option(1, make([]byte, 60000)))
		},
		"interfaces": func(m *maker) { m.iface(101, strings.Repeat("n", 1000), 9) },
		"packets":    func(m *maker) { m.packet(0, 1, 28, ipUDP("10.0.0.1", "10.0.0.2", 28)) },
	} {
		m := start()
		n := len(m.b)
		again(m)
		var base runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&base)
		e := &endless{first: head, again: m.b[n:], left: 64 << 20}
		c := &discard{}
		imp, err := pcap.Open(e, pcap.Options{})
		if err == nil {
			err = imp.Copy(c)
		}
		if name == "interfaces" && (!isDamage(err) || !strings.Contains(err.Error(), "interfaces")) || name != "interfaces" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if grown := int64(e.peak) - int64(base.HeapAlloc); grown > 8<<20 {
			t.Errorf("%s: %d MB", name, grown>>20)
		}
	}
}

// discard is a sink of nothing.
type discard struct{}

func (discard) Append(*traces.Record) error { return nil }
func (discard) Event(traces.Event) error    { return nil }
func (discard) Flush() error                { return nil }
func (discard) Close(traces.End) error      { return nil }

// FuzzImport holds that no file makes an import panic, that its records are in
// order and fit into a trace, and that every packet is accounted for.
func FuzzImport(f *testing.F) {
	names, _ := filepath.Glob("testdata/real/*.pcap*")
	for _, name := range append(names, "testdata/sample.pcapng") {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(twoSided(binary.LittleEndian))
	f.Add(twoSided(binary.BigEndian))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := pcap.Open(bytes.NewReader(data), pcap.Options{Interface: "all"})
		if err != nil {
			return
		}
		w, err := traces.NewWriter(io.Discard, m.Header(), traces.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		err = m.Copy(w)
		if err != nil && !isDamage(err) && !errors.Is(err, pcap.ErrLink) {
			t.Fatal(err)
		}
		r, sum := m.Report(), uint64(0)
		for _, s := range r.Skipped {
			sum += s.Packets
		}
		if !errors.Is(err, pcap.ErrLink) && r.Imported+sum != r.Packets && err == nil {
			t.Fatalf("%+v", r)
		}
		if w.Stats().Records != r.Imported {
			t.Fatalf("%d records, %+v", w.Stats().Records, r)
		}
	})
}

// TestClassic holds pcap files of both orders and resolutions, and one cut where
// a packet's data should begin.
func TestClassic(t *testing.T) {
	data := ipUDP("10.0.0.1", "10.0.0.2", 1400)
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for magic, scale := range map[uint32]int64{0xa1b2c3d4: 1000, 0xa1b23c4d: 1} {
			m := &maker{order: order}
			b := append(m.u32(magic), m.u16(2, 4)...)
			b = append(b, m.u32(0, 0, 65535, 101)...)
			for i := range uint32(2) {
				b = append(append(b, m.u32(1_700_000_000, 5+i, uint32(len(data)), 1400)...), data...)
			}
			im, err := pcap.Open(bytes.NewReader(b), pcap.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var c collected
			if err := im.Copy(&c); err != nil || len(c.recs) != 2 {
				t.Fatalf("%v, %#x: %d packets, %v", order, magic, len(c.recs), err)
			}
			if at := im.Header().Anchor.RealtimeNs; at != 1_700_000_000e9+5*scale || int64(c.recs[1].Time) != scale || c.recs[1].Len != 1400 {
				t.Errorf("%v, %#x: begins at %d, %+v", order, magic, at, c.recs[1])
			}
			if _, _, err := tryImport(bytes.NewReader(b[:24+16+len(data)+16]), pcap.Options{}); !isDamage(err) {
				t.Errorf("%v, %#x: cut behind a packet's head: %v", order, magic, err)
			}
		}
	}
}
