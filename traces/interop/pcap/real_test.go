package pcap_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/interop/pcap"
)

// TestRealCaptures holds captures made by Wireshark's tools against what tshark
// read of them. testdata/make makes both anew.
func TestRealCaptures(t *testing.T) {
	files, err := filepath.Glob("testdata/real/*.pcap*")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d captures, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			stem, _, _ := strings.Cut(name, ".pcap")
			want := oracle(t, stem+".tsv")
			recs, rep := imported(t, data, pcap.Options{Interface: "all", MTU: 65535})
			if len(recs) != len(want) {
				t.Fatalf("%d packets, tshark has %d: %+v", len(recs), len(want), rep)
			}
			for i := range recs {
				if got := words(&recs[i], recs[0].Time); got != want[i] {
					t.Errorf("packet %d: %s, tshark has %s", i, got, want[i])
				}
			}
		})
	}
}

// words are what is compared.
func words(r *traces.Record, zero pkt.Time) string {
	src, dst := r.Flow.Addrs()
	s := fmt.Sprintf("%d %v>%v len %d ds %#x", r.Time-zero, src, dst, r.Len, r.DSField)
	switch {
	case r.Info&traces.Fragment != 0, r.Flow.SrcPort == 0:
	case r.Flow.Proto == pkt.ProtoTCP:
		s += fmt.Sprintf(" tcp %d>%d seq %d ack %d flags %#x", r.Flow.SrcPort, r.Flow.DstPort, r.Seq, r.Ack, r.L4Flags)
	case r.Flow.Proto == pkt.ProtoUDP:
		s += fmt.Sprintf(" udp %d>%d", r.Flow.SrcPort, r.Flow.DstPort)
	}
	return s
}

// oracle reads tshark's columns, in order of time.
func oracle(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		ns   int64
		tail string
	}
	var rows []row
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if f[1]+f[3] == "" {
			continue // not IP
		}
		sec, frac, _ := strings.Cut(f[0], ".")
		s, _ := strconv.ParseInt(sec, 10, 64)
		ns, _ := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
		length, _ := strconv.Atoi(f[5] + f[6])
		if f[3] != "" {
			length += 40
		}
		ds, _ := strconv.ParseUint(strings.TrimPrefix(f[7]+f[8], "0x"), 16, 32)
		tail := fmt.Sprintf(" %s>%s len %d ds %#x", f[1]+f[3], f[2]+f[4], length, ds)
		switch icmp := strings.Contains(tail, "ds 0xd8"); { // tshark goes on inside of errors
		case f[9] != "":
			flags, _ := strconv.ParseUint(strings.TrimPrefix(f[13], "0x"), 16, 16)
			tail += fmt.Sprintf(" tcp %s>%s seq %s ack %s flags %#x", f[9], f[10], f[11], f[12], flags)
		case f[14] != "" && !icmp:
			tail += fmt.Sprintf(" udp %s>%s", f[14], f[15])
		}
		rows = append(rows, row{s*1e9 + ns, tail})
	}
	sort.SliceStable(rows, func(i, j int) bool { return rows[i].ns < rows[j].ns })
	var want []string
	for _, r := range rows {
		want = append(want, strconv.FormatInt(r.ns-rows[0].ns, 10)+r.tail)
	}
	return want
}
