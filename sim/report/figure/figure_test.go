package figure

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/report/series"
	"github.com/uqtool/uq/sim/report/svg"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
	"github.com/uqtool/uq/sim/sched/schedtest"
)

var update = flag.Bool("update", false, "write the golden file")

// play overloads qdiscs at 10 Mbit/s with three flows, for a while.
func play(t *testing.T, packets int, qdiscs ...string) (*report.Report, []*series.Data) {
	t.Helper()
	r := &report.Report{Trace: "burst <of> three", Loop: report.OpenLoop, Link: "rate 10Mbit"}
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
			p.ID, p.Arrival, p.Flow = uint64(i), pkt.Time(i)*pkt.Time(700*time.Microsecond), schedtest.TestFlow(i%3, 1)
			p.Len, p.Segs, p.DSField = 1000, 1, uint8(i%2)
			port.Enqueue(p.Arrival, p)
		}
		port.Drain()
		r.Runs, all = append(r.Runs, report.NewRun(port, c, 10)), append(all, s)
	}
	return r, series.Align(all)
}

func sheet(t *testing.T, packets int, theme svg.Theme, qdiscs ...string) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteSheet(&b, All(play(t, packets, qdiscs...)), theme); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return b.String()
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
	}
}

// TestNames: what may be drawn is known before there is a report.
func TestNames(t *testing.T) {
	r, data := play(t, 10, "pfifo")
	var some, all []string
	for _, f := range All(r, data) {
		some = append(some, f.Name)
	}
	r.Runs[0].WiFi, r.Runs[0].Air = &report.WiFi{}, &report.AirLog{}
	for _, f := range All(r, data) {
		all = append(all, f.Name)
	}
	want := slices.Sorted(slices.Values(Names()))
	if got := slices.Sorted(slices.Values(all)); !slices.Equal(got, want) || len(some) == len(all) {
		t.Errorf("drew %v, want %v", got, want)
	}
}

// TestGolden compares all figures with those that a reader has looked at.
func TestGolden(t *testing.T) {
	const path = "testdata/figures.svg"
	got := sheet(t, 400, svg.Paper, "pfifo limit 50", "fq_codel limit 100 ecn")
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
	if again := sheet(t, 400, svg.Paper, "pfifo limit 50", "fq_codel limit 100 ecn"); again != got {
		t.Error("the same run was drawn otherwise")
	}
}

// TestFew: nothing, one packet, and more qdiscs than colours are drawn, too.
func TestFew(t *testing.T) {
	if got := sheet(t, 0, svg.Paper, "pfifo"); strings.Count(got, "no packets") != 7 {
		t.Errorf("without packets:\n%s", got)
	}
	sheet(t, 0, svg.Paper)
	for _, n := range []int{1, 2, 5} {
		if got := sheet(t, n, svg.Page("x"), "codel"); strings.Contains(got, "NaN") {
			t.Errorf("%d packets:\n%s", n, got)
		}
	}
	many := []string{"pfifo", "bfifo", "codel", "fq_codel", "pie", "sfq", "red limit 400000 avpkt 1000", "cake", "pfifo"}
	if got := sheet(t, 100, svg.Paper, many...); !strings.Contains(got, "pfifo#2") || !strings.Contains(got, "stroke-dasharray") {
		t.Error("nine qdiscs are not told apart")
	}
}

func TestColours(t *testing.T) {
	for _, c := range []struct{ kinds, want string }{
		{"pfifo fq_codel", "[1 0]"},
		{"fq_codel", "[0]"},
		{"pfifo pfifo", "[1 0]"},
		{"mine codel", "[0 3]"},
		{"a b c d e f g h i", "[0 1 2 3 4 5 6 7 8]"},
	} {
		r := &report.Report{}
		for _, k := range strings.Fields(c.kinds) {
			r.Runs = append(r.Runs, &report.Run{Kind: k})
		}
		if got := fmt.Sprint(Colours(r)); got != c.want {
			t.Errorf("%s: colours %s, want %s", c.kinds, got, c.want)
		}
	}
}

// TestContour: points on an ellipse's axes have just that covariance.
func TestContour(t *testing.T) {
	for _, c := range []struct {
		name   string
		cloud  cloud
		sx, sy float64 // half the contour's width and height
	}{
		{"upright", cloud{[]float64{-1, 1, 0, 0}, []float64{0, 0, -2, 2}}, math.Sqrt(0.5), math.Sqrt2},
		{"slanted", cloud{[]float64{-1, 0, 1}, []float64{-1, 0, 1}}, math.Sqrt(2. / 3), math.Sqrt(2. / 3)},
		{"a line", cloud{[]float64{3, 3}, []float64{1, 5}}, 0, 2},
		{"a point", cloud{[]float64{3}, []float64{4}}, 0, 0},
	} {
		xs, ys, mx, my := c.cloud.contour()
		var w, h float64
		for i := range xs {
			w, h = max(w, xs[i]-mx), max(h, ys[i]-my)
		}
		if math.Abs(w-c.sx) > 0.01 || math.Abs(h-c.sy) > 0.01 {
			t.Errorf("%s: contour reaches %.3f and %.3f, want %.3f and %.3f", c.name, w, h, c.sx, c.sy)
		}
	}
}

// TestRates: a last group of fewer bins is not a slower one.
func TestRates(t *testing.T) {
	s := set{data: []*series.Data{{Width: 1e6}}}
	if got := fmt.Sprint(s.rates([]uint64{100, 300, 200}, 2)); got != "[1.6e+06 1.6e+06]" {
		t.Errorf("rates %s", got)
	}
}

func TestShorten(t *testing.T) {
	if got := shorten("tcp 10.0.0.1:1>10.0.0.2:2", 11); got != "tcp 1…0.2:2" || len([]rune(got)) > 11 {
		t.Errorf("got %q", got)
	}
	if got := shorten("short", 11); got != "short" {
		t.Errorf("got %q", got)
	}
}

// TestAir: the pieces of a bar are as wide as their shares, what nobody used has
// no piece, and stations past the first are one.
func TestAir(t *testing.T) {
	r := &report.Report{Trace: "air"}
	for _, down := range []float64{0.25, 0.5} {
		w := &report.WiFi{Time: []report.AirTime{{Kind: "down", Share: down}, {Kind: "beacon"}, {Kind: "idle", Share: 1 - down}}}
		for i := range 20 {
			w.Stations = append(w.Stations, report.WiFiStation{Address: fmt.Sprintf("10.0.0.%d<", i), Share: 0.05})
		}
		r.Runs = append(r.Runs, &report.Run{Kind: "pfifo", WiFi: w})
	}
	figs := All(r, nil)
	names := ""
	for _, f := range figs {
		names += f.Name + " "
	}
	if names != "sojourn cdf queue throughput box box-flows ellipse air stations " {
		t.Fatalf("figures %s", names)
	}
	air := figs[7].Draw(svg.Paper, 600).String()
	for _, want := range []string{"<title>pfifo#1: down 25%</title>", "<title>pfifo#2: down 50%</title>", "<title>pfifo#1: idle 75%</title>", ">idle</text>"} {
		if !strings.Contains(air, want) {
			t.Errorf("no %s in\n%s", want, air)
		}
	}
	if strings.Contains(air, "beacon") {
		t.Error("what took no time has a piece")
	}
	m := svg.DefaultMargins
	full := 600 - m.Left - 14 - m.Right
	if want := fmt.Sprintf(`width="%v"`, full/4); !strings.Contains(air, want) {
		t.Errorf("a quarter is not %s wide in\n%s", want, air)
	}
	stations := figs[8].Draw(svg.Paper, 600).String()
	if !strings.Contains(stations, "pfifo#1: others 40%") || !strings.Contains(stations, "10.0.0.11&lt;") || strings.Contains(stations, "10.0.0.12") {
		t.Errorf("stations:\n%s", stations)
	}
	r.Runs[0].WiFi.Time, r.Runs[1].WiFi.Time = nil, nil
	if got := All(r, nil)[7].Draw(svg.Paper, 600).String(); !strings.Contains(got, "no packets") {
		t.Errorf("no time at all:\n%s", got)
	}
}
