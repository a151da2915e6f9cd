package pcap_test

import (
	"bytes"
	"flag"
	"io"
	"net/netip"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/pcapgo"
	"pgregory.net/rapid"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/interop"
	"github.com/uqtool/uq/traces/interop/interoptest"
	"github.com/uqtool/uq/traces/interop/pcap"
)

var update = flag.Bool("update", false, "write golden files anew")

// TestWriteGolden holds the bytes of a small file.
func TestWriteGolden(t *testing.T) {
	got := sample(t)
	const name = "testdata/sample.pcapng"
	if *update {
		if err := os.WriteFile(name, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes differ from the %d of %s (%v)", len(got), len(want), name, err)
	}
}

// sample is the sample trace as pcapng.
func sample(t testing.TB) []byte {
	var b bytes.Buffer
	run := interoptest.Run("fq_codel", "rate 20mbit")
	w, err := pcap.NewWriter(&b, run)
	if err != nil {
		t.Fatal(err)
	}
	interoptest.Text(t, interoptest.Sample, w)
	return b.Bytes()
}

// seen is a packet of an exported file.
type seen struct {
	Interface string
	Ns        int64
	ID        uint64
	Cap, Len  int
	Comments  []string
	Lost      uint64
}

// TestWriteComments holds what a reader of the file sees.
func TestWriteComments(t *testing.T) {
	r, err := pcapgo.NewNgReader(bytes.NewReader(sample(t)), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []seen
	for {
		_, ci, o, err := r.ReadPacketDataWithOptions()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		i, _ := r.Interface(ci.InterfaceIndex)
		s := seen{i.Name, ci.Timestamp.UnixNano() - 1_700_000_000_123_456_789, *o.PacketID, ci.CaptureLength, ci.Length, o.Comments, 0}
		if o.DropCount != nil {
			s.Lost = *o.DropCount
		}
		got = append(got, s)
	}
	in, out, drop := "arrivals", "departures", "drops"
	want := []seen{
		{in, 1e6, 0, 40, 40, []string{"verdict accept sojourn 0.000000000"}, 0},
		{out, 15e5, 0, 40, 40, []string{"verdict accept sojourn 0.000000000 delay 0.000500000"}, 0},
		{in, 2e6, 1, 52, 4396, []string{"verdict mark_ce aqm sojourn 0.010000000 segs 3"}, 0},
		{in, 3e6, 2, 28, 80, []string{"verdict drop overlimit sojourn 0.000000000"}, 0},
		{drop, 3e6, 2, 28, 80, []string{"verdict drop overlimit sojourn 0.000000000"}, 0},
		{in, 4e6, 3, 48, 104, []string{"verdict drop link_loss sojourn 0.001000000", "event queue_full count 7 queue limit of 100"}, 7},
		{in, 4e6, 4, 32, 60, []string{"verdict lost"}, 0},
		{in, 5e6, 5, 0, 42, []string{"verdict accept headers not known"}, 0},
		{out, 51e5, 5, 0, 42, []string{"verdict accept delay 0.000100000 headers not known"}, 0},
		{in, 6e6, 6, 60, 70000, []string{"segs 48"}, 0},
		{in, 7e6, 7, 20, 1500, []string{"verdict drop aqm sojourn 0.002000000"}, 0},
		{drop, 9e6, 7, 20, 1500, []string{"verdict drop aqm sojourn 0.002000000"}, 0},
		{drop, 13e6, 3, 48, 104, []string{"verdict drop link_loss sojourn 0.001000000"}, 0},
		{out, 14e6, 1, 52, 4396, []string{"verdict mark_ce aqm sojourn 0.010000000 delay 0.012000000 segs 3"}, 0},
		{drop, 20e6, 4, 32, 60, []string{"verdict lost"}, 0},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	stats := map[string][2]uint64{}
	for i := range r.NInterfaces() {
		n, _ := r.Interface(i)
		stats[n.Name] = [2]uint64{n.Statistics.PacketsReceived, n.Statistics.PacketsDropped}
	}
	if d := cmp.Diff(map[string][2]uint64{in: {8, 7}, out: {3, 0}, drop: {4, 0}}, stats); d != "" {
		t.Error(d)
	}
}

// TestThereAndBack holds that a packet written as pcapng and imported is the
// same as far as headers tell.
func TestThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		recs := rapid.SliceOfN(record(), 1, 20).Draw(t, "records")
		var file bytes.Buffer
		w, err := pcap.NewWriter(&file, interop.Run{StartNs: 1_700_000_000_000_000_000})
		if err != nil {
			t.Fatal(err)
		}
		f := interop.NewFromTrace(w, traces.Header{})
		at := pkt.Time(0)
		for i := range recs {
			at += pkt.Time(rapid.Int64Range(0, 1e9).Draw(t, "gap"))
			recs[i].Time = at
			if err := f.Append(&recs[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(traces.End{}); err != nil {
			t.Fatal(err)
		}
		got, rep := imported(t, file.Bytes(), pcap.Options{Interface: "arrivals", MTU: 65535})
		if len(got) != len(recs) || rep.Imported != uint64(len(recs)) {
			t.Fatalf("%d of %d came back: %+v", len(got), len(recs), rep)
		}
		for i := range recs {
			want := recs[i]
			want.Time -= recs[0].Time
			want.Info = got[i].Info & (traces.GSO | traces.SegsEstimated)
			want.Path, want.Segs = got[i].Path, got[i].Segs
			if d := cmp.Diff(want, got[i]); d != "" {
				t.Fatalf("record %d: %s", i, d)
			}
		}
	})
}

// record draws one whose headers exist.
func record() *rapid.Generator[traces.Record] {
	return rapid.Custom(func(t *rapid.T) traces.Record {
		r := traces.Record{
			Segs: 1, DSField: rapid.Byte().Draw(t, "ds"),
			KernelTime: traces.NoTime, VerdictTime: traces.NoTime, Dequeued: traces.NoTime, Due: traces.NoTime,
		}
		ip := 20
		addr := func(name string, n int) netip.Addr {
			a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, name))
			return a
		}
		if rapid.Bool().Draw(t, "v6") {
			ip = 40
			r.Flow.SetAddrs(addr("src", 16), addr("dst", 16))
			r.Flow.V6 = true
		} else {
			r.Flow.SetAddrs(addr("src", 4), addr("dst", 4))
		}
		r.Flow.Proto = rapid.SampledFrom([]uint8{pkt.ProtoTCP, pkt.ProtoUDP, pkt.ProtoSCTP}).Draw(t, "proto")
		r.Flow.SrcPort, r.Flow.DstPort = rapid.Uint16().Draw(t, "sport"), rapid.Uint16().Draw(t, "dport")
		l4 := map[uint8]int{pkt.ProtoTCP: 20, pkt.ProtoUDP: 8, pkt.ProtoSCTP: 12}[r.Flow.Proto]
		if r.Flow.Proto == pkt.ProtoTCP {
			l4 += 4 * rapid.IntRange(0, 10).Draw(t, "options")
			r.L4Flags = uint16(rapid.IntRange(0, 511).Draw(t, "flags"))
			r.Seq, r.Ack = rapid.Uint32().Draw(t, "seq"), rapid.Uint32().Draw(t, "ack")
		}
		r.HdrLen = uint16(ip + l4)
		r.Len = uint32(ip+l4) + uint32(rapid.IntRange(0, 100000).Draw(t, "payload"))
		return r
	})
}
