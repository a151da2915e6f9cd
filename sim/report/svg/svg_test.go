package svg_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uqtool/uq/sim/report/svg"
)

var update = flag.Bool("update", false, "write the golden file")

// parse says whether text is well-formed XML.
func parse(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		switch _, err := d.Token(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// drawing has one of everything, and words that are up to no good.
func drawing(t svg.Theme) string {
	d := svg.New(480, 320, "all <of> it", t)
	line := svg.Stroke{Colour: t.Series(0), Width: 1.5}
	p := d.Plot(svg.Axis{Label: "time", Unit: svg.Seconds, Lo: 0, Hi: 2}, svg.Axis{Label: "sojourn", Unit: svg.Seconds, Lo: 1e-4, Hi: 1, Log: true},
		svg.Key{Name: "pfifo limit 1000p", Stroke: line}, svg.Key{Name: `</svg><script>alert("1")</script>`, Stroke: svg.Stroke{Colour: t.Series(1), Dash: t.Dash(9)}})
	p.Line([]float64{0, 0.5, 1, 1.5, 2}, []float64{0.01, 0.1, math.NaN(), 0.2, 0.02}, line)
	p.Line([]float64{0, 1, 2}, []float64{0.001, 0.002, 0.001}, svg.Stroke{Colour: t.Series(1)})
	p.Band([]float64{0, 0.5, 1, 1.5, 2}, []float64{0.001, 0.01, 0, 0.01, 0.01}, []float64{0.1, 0.2, 0.2, 0.3, 0.1}, svg.Fill{Colour: t.Series(2), Opacity: 0.2})
	p.Dots([]float64{1}, []float64{0.5}, 3, svg.Fill{Colour: t.Drop})
	p.Outline([]float64{0.1, 0.4, 0.4}, []float64{0.5, 0.5, 0.9}, svg.Fill{}, svg.Stroke{Colour: t.Mark})
	d.Rect(400, 40, 20, 10, svg.Fill{Colour: t.Mark}, svg.Stroke{}, "1 & only\x01")
	return d.String()
}

func TestGolden(t *testing.T) {
	const path = "testdata/drawing.svg"
	got := drawing(svg.Paper)
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

// TestWellFormed has an XML reader judge the drawing, on paper and in a page.
func TestWellFormed(t *testing.T) {
	for _, theme := range []svg.Theme{svg.Paper, svg.Page(`a"b`)} {
		text := drawing(theme)
		if err := parse(text); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
		if strings.Contains(text, "<script") {
			t.Error("a name became an element")
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		scale svg.Scale
		n     int
		unit  svg.Unit
		want  string
	}{
		{svg.Scale{Lo: 0, Hi: 10}, 5, svg.Plain, "0 2 4 6 8 10"},
		{svg.Scale{Lo: 0, Hi: 0.3}, 3, svg.Seconds, "0 100ms 200ms 300ms"},
		{svg.Scale{Lo: 3, Hi: 29}, 4, svg.Plain, "10 20"},
		{svg.Scale{Lo: -1, Hi: 1}, 4, svg.Plain, "-1 -0.5 0 0.5 1"},
		{svg.Scale{Lo: 0, Hi: 25e6}, 5, svg.Bits, "0bit 5Mbit 10Mbit 15Mbit 20Mbit 25Mbit"},
		{svg.Scale{Lo: 0, Hi: 1}, 4, svg.Percent, "0% 50% 100%"},
		{svg.Scale{Lo: 1e-4, Hi: 0.1, Log: true}, 9, svg.Seconds, "100us 200us 500us 1ms 2ms 5ms 10ms 20ms 50ms 100ms"},
		{svg.Scale{Lo: 1e-4, Hi: 0.1, Log: true}, 4, svg.Seconds, "100us 1ms 10ms 100ms"},
		{svg.Scale{Lo: 1e-9, Hi: 1, Log: true}, 3, svg.Seconds, "1ns 1us 1ms 1s"},
		{svg.Scale{Lo: 1, Hi: 1}, 4, svg.Plain, ""},
		{svg.Scale{Lo: 0, Hi: 1, Log: true}, 4, svg.Plain, ""},
		{svg.Scale{Lo: 0, Hi: math.NaN()}, 4, svg.Plain, ""},
	} {
		var words []string
		for _, v := range c.scale.Ticks(c.n) {
			words = append(words, c.unit(v))
		}
		if got := strings.Join(words, " "); got != c.want {
			t.Errorf("%+v about %d: got %q, want %q", c.scale, c.n, got, c.want)
		}
	}
}

func TestNice(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		log    bool
		want   string
	}{
		{0, 97, false, "0 100"}, {0, 0, false, "0 1"}, {13, 27, false, "12 28"},
		{0.00013, 0.41, true, "0.0001 0.5"}, {1, 1, true, "1 10"}, {0, 3, true, "1e-09 5"},
	} {
		lo, hi := svg.Nice(c.lo, c.hi, 7)
		if c.log {
			lo, hi = svg.NiceLog(c.lo, c.hi)
		}
		if got := fmt.Sprintf("%.4g %.4g", lo, hi); got != c.want {
			t.Errorf("%v to %v, log %v: got %s, want %s", c.lo, c.hi, c.log, got, c.want)
		}
	}
}

// TestScale checks both ends and the middle, either way round.
func TestScale(t *testing.T) {
	for _, c := range []struct {
		s    svg.Scale
		v    float64
		want float64
	}{
		{svg.Scale{Lo: 0, Hi: 10, From: 100, To: 200}, 5, 150},
		{svg.Scale{Lo: 0, Hi: 10, From: 200, To: 100}, 10, 100},
		{svg.Scale{Lo: 1, Hi: 100, From: 0, To: 10, Log: true}, 10, 5},
		{svg.Scale{Lo: 3, Hi: 3, From: 7, To: 10}, 3, 7},
	} {
		if got := c.s.At(c.v); got != c.want {
			t.Errorf("%+v at %v: got %v, want %v", c.s, c.v, got, c.want)
		}
	}
	if got := (svg.Scale{Lo: 1, Hi: 10, Log: true}).At(0); !math.IsNaN(got) {
		t.Errorf("0 has a place at %v on a logarithmic scale", got)
	}
}

// TestLegendWraps checks that many names take several rows and stay inside.
func TestLegendWraps(t *testing.T) {
	d := svg.New(300, 100, "", svg.Paper)
	one := d.Legend(10, 0, 290, []svg.Key{{Name: "a"}})
	many := d.Legend(10, 0, 290, []svg.Key{{Name: "a long name indeed"}, {Name: "another long name"}, {Name: "b"}})
	if many != one+16 {
		t.Errorf("rows end at %v and %v", one, many)
	}
	if a, b := svg.TextWidth("ab", 10), svg.TextWidth("漢字", 10); b <= a {
		t.Errorf("wide characters take %v, narrow ones %v", b, a)
	}
}
