package plot_test

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/report/plot"
	"github.com/uqtool/uq/sim/report/series"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
	"github.com/uqtool/uq/sim/sched/schedtest"
)

var update = flag.Bool("update", false, "write the golden file")

// draw overloads 10 Mbit/s by a fifth, lets it rest, and does so again.
func draw(t *testing.T, packets int, o plot.Options, qdiscs ...string) string {
	t.Helper()
	r := &report.Report{Loop: report.OpenLoop}
	var all []*series.Series
	for _, qdisc := range qdiscs {
		c, s, pool := report.NewCollector(), series.New(), &pkt.Pool{}
		l, err := link.New("rate 10mbit", link.Env{})
		if err != nil {
			t.Fatal(err)
		}
		port, err := egress.New(func(d sched.DropFunc) (sched.Scheduler, error) { return builtin.New(qdisc, sched.Env{Drop: d}) }, l, egress.Tee(c, s), pool)
		if err != nil {
			t.Fatal(err)
		}
		for i := range packets {
			p := pool.Get()
			p.ID, p.Arrival, p.Flow = uint64(i), pkt.Time(i)*pkt.Time(660*time.Microsecond)+pkt.Time(i/1000*int(time.Second)), schedtest.TestFlow(i%3, 1)
			p.Len, p.Segs = 1000, 1
			port.Enqueue(p.Arrival, p)
		}
		port.Drain()
		r.Runs, all = append(r.Runs, report.NewRun(port, c, 3)), append(all, s)
	}
	var b bytes.Buffer
	if err := plot.Write(&b, r, series.Align(all), o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestGolden compares plots with those that a reader has judged.
func TestGolden(t *testing.T) {
	got := draw(t, 3000, plot.Options{Width: 80}, "pfifo limit 100", "fq_codel") +
		"\n" + draw(t, 3000, plot.Options{Width: 1, ASCII: true}, "codel", "codel target 50ms", "cake")
	const path = "testdata/plot.txt"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// TestColour: colours are there when asked for, and nothing but colours.
func TestColour(t *testing.T) {
	plain, painted := draw(t, 500, plot.Options{Width: 60}, "pfifo", "pie"), draw(t, 500, plot.Options{Width: 60, Colour: true}, "pfifo", "pie")
	if strings.Contains(plain, "\x1b") {
		t.Error("colours where none were asked for")
	}
	bare := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(painted, "")
	if bare == painted || bare != plain {
		t.Errorf("without its colours it is not the same (-plain +painted):\n%s", cmp.Diff(plain, bare))
	}
}

// TestWidth: no line is wider than the terminal, however narrow or wide that is,
// and ASCII has no other characters.
func TestWidth(t *testing.T) {
	for _, width := range []int{-3, 0, plot.MinWidth, 57, 80, 1000} {
		for _, line := range strings.Split(draw(t, 2500, plot.Options{Width: width, ASCII: true}, "pfifo", "fq_codel", "pie"), "\n") {
			if n, most := plot.Columns(line), min(max(width, plot.MinWidth), plot.MaxWidth); n > most {
				t.Errorf("%d columns of %d: %q", n, most, line)
			}
			if strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
				t.Errorf("not ASCII: %q", line)
			}
		}
	}
}

func TestFew(t *testing.T) {
	if got := draw(t, 0, plot.Options{}, "pfifo"); !strings.HasPrefix(got, "no packets\n") {
		t.Errorf("of nothing: %q", got)
	}
	if got := draw(t, 0, plot.Options{}); got != "" {
		t.Errorf("of no qdisc: %q", got)
	}
	// One packet takes 800 us at 10 Mbit/s, which reach into 9 bins.
	if got := draw(t, 1, plot.Options{}, "pfifo"); !strings.Contains(strings.Join(strings.Fields(got), " "), "sojourn p99, each 100us, at most 1us; ") || !strings.Contains(got, ", 0 to 8.89Mbit;") {
		t.Errorf("of one packet: %q", got)
	}
}

func TestColumns(t *testing.T) {
	for words, want := range map[string]int{"": 0, "fq_codel": 8, "漢字": 4, "e\u0301": 1, "▁█": 2, "ｆ": 2} {
		if got := plot.Columns(words); got != want {
			t.Errorf("%q takes %d columns, want %d", words, got, want)
		}
	}
}
