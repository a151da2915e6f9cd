package explain

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
)

// standing is a queue that stands: every 2 ms a packet of 1000 bytes for a wire
// that takes 4 ms for each (2 Mbit/s), of flow 1, and every tenth of flow 2.
func standing(n int, ds uint8) (ps []pkt.Packet) {
	for i := range n {
		flow := testFlow(1)
		if i%10 == 9 {
			flow = testFlow(2)
		}
		ps = append(ps, packet(pkt.Time(i)*2*ms, flow, 1000, ds))
	}
	return ps
}

// TestWords holds what people read to golden files, small enough to judge by
// hand.
func TestWords(t *testing.T) {
	for _, c := range []struct {
		name, qdisc, link string
		ps                []pkt.Packet
		id                func(*Finder) (uint64, bool)
	}{
		{"tail_drop", "pfifo limit 3", "rate 2mbit delay 1ms", standing(120, 0), (*Finder).FirstDrop},
		{"codel_drop", "codel", "rate 2mbit delay 1ms", standing(120, 0), (*Finder).FirstDrop},
		{"codel_mark", "codel ecn", "rate 2mbit delay 1ms", standing(120, 2), (*Finder).FirstMark},
		{"fq_codel_cut", "fq_codel limit 10", "rate 2mbit delay 1ms", standing(120, 0), (*Finder).FirstDrop},
		{"cake_drop", "cake bandwidth 1mbit besteffort", "rate 2mbit", standing(120, 0), (*Finder).FirstDrop},
		{"pie_drop", "pie", "rate 2mbit", standing(600, 0), (*Finder).FirstDrop},
		{"red_drop", "red limit 60k min 5k max 15k avpkt 1000", "rate 2mbit", standing(120, 0), (*Finder).FirstDrop},
		{"step_mark", "dualpi2", "rate 2mbit", standing(120, 1), (*Finder).FirstMark},
		{"worst", "fq_codel", "rate 2mbit delay 1ms", standing(120, 0), worst},
		{"sfq_worst", "sfq limit 9 depth 5", "rate 2mbit", standing(60, 0), worst},
		{"drr_worst", "drr classes 8 [pfifo limit 6]", "rate 2mbit", standing(60, 0), worst},
		{"prio_worst", "prio [pfifo] [tbf rate 1mbit burst 2000 latency 60ms]", "rate 2mbit", standing(60, 0), worst},
		{"cobalt_drop", "cobalt", "rate 2mbit", standing(120, 0), (*Finder).FirstDrop},
		{"fq_pie_worst", "fq_pie", "rate 2mbit", standing(60, 0), worst},
		{"mac80211_worst", "mac80211", "rate 2mbit", standing(40, 0), worst},
		{"lost", "pfifo", "rate 2mbit delay 1ms loss 5%", standing(120, 0), (*Finder).FirstDrop},
		{"cake_full", "cake bandwidth 100kbit besteffort memlimit 20k", "rate 2mbit", standing(120, 0), (*Finder).FirstDrop},
		{"too_long", "tbf rate 2mbit burst 900 limit 10k", "unlimited", standing(120, 0), (*Finder).FirstDrop},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := egress.Config{Qdisc: c.qdisc, Link: c.link, Seed: 1}
			f := &Finder{Worst: 1}
			plain(t, cfg, c.ps, f)
			id, ok := c.id(f)
			if !ok {
				t.Fatal("nothing to explain")
			}
			xs, _ := observed(t, cfg, c.ps, id)
			if err := accounts(xs[0]); err != nil {
				t.Error(err)
			}
			var b bytes.Buffer
			if err := xs[0].WriteWords(&b, Words{Flows: 5, Spans: 4}); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", c.name+".txt"), b.Bytes())
		})
	}
}

func worst(f *Finder) (uint64, bool) { return f.Latest()[0], true }

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs: look, then write it anew with -update\n%s", name, got)
	}
}

// TestParagraph breaks lines between words, and longer words not at all.
func TestParagraph(t *testing.T) {
	for _, c := range []struct {
		width int
		want  string
	}{
		{0, "a bb ccc dddd µµ\n"}, {5, "a bb\nccc\ndddd\nµµ\n"}, {7, "a bb\nccc\ndddd µµ\n"}, {8, "a bb ccc\ndddd µµ\n"}, {1, "a\nbb\nccc\ndddd\nµµ\n"},
	} {
		var b strings.Builder
		if paragraph(&b, "a bb ccc dddd µµ", c.width); b.String() != c.want {
			t.Errorf("%d wide: %q, want %q", c.width, b.String(), c.want)
		}
	}
}
