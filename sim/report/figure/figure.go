// Package figure draws what became of a trace under one or more qdiscs, as
// figures for papers and for the report's page.
package figure

import (
	"fmt"
	"math"

	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/report/series"
	"github.com/uqtool/uq/sim/report/svg"
)

// Figure is one of them.
type Figure struct {
	Name    string // of its file, without an ending
	Title   string
	Caption string // what is drawn, in words for below it
	// Draw draws it so many pixels wide: PaperWidth, or less for a small screen.
	Draw func(t svg.Theme, width float64) *svg.Drawing
}

// PaperWidth is the width of a figure on paper.
const PaperWidth = 720

// All lists the figures of a report. There is a series for every run.
func All(r *report.Report, data []*series.Data) []Figure {
	s := &set{r: r, data: data, colours: Colours(r)}
	bins := span(int64(s.width()))
	figs := []Figure{
		{"sojourn", "Sojourn over time", "Median (line) to 99th percentile (shaded) of the time in the queue, for each " + bins + "; below it when packets were dropped (full) and marked (half height).", s.sojourn},
		{"cdf", "Sojourn distribution", "Share of packets that left the queue within a time.", s.cdf},
		{"queue", "Queue depth", "Most packets queued in each " + bins + ".", s.queue},
		{"throughput", "Throughput", "Delivered at the far end of the link, for each " + span(int64(s.width())*int64(s.group(throughputPoints))) + ".", s.throughput},
		{"box", "Sojourn by qdisc", boxCaption, s.boxes},
		{"box-flows", "Sojourn by flow", boxCaption + " The largest flows, each under every qdisc.", s.flowBoxes},
		{"ellipse", "Delay and throughput", "A faint dot is " + span(int64(s.width())*int64(s.group(ellipsePoints))) +
			" of the run: its mean sojourn and throughput; the large one is their mean, the ellipse their 1-sigma contour (of the delay's logarithm). Better is up and to the right.", s.ellipse},
	}
	return append(figs, s.air()...)
}

// Names are those of all figures that All may answer.
func Names() []string {
	return []string{"sojourn", "cdf", "queue", "throughput", "box", "box-flows", "ellipse", "air", "stations", "timeline"}
}

const boxCaption = "Box: quartiles and median; whiskers: 1st and 99th percentile; dot: maximum."

// set is a report about to be drawn.
type set struct {
	r       *report.Report
	data    []*series.Data
	colours []int
}

const height = 380

// Colours gives every run the number of its colour: the same qdisc has the same
// one in most reports.
func Colours(r *report.Report) []int {
	const colours = 7
	taken := map[int]bool{}
	out := make([]int, len(r.Runs))
	for i, run := range r.Runs {
		c, ok := favourites[run.Kind]
		for tries := 0; (!ok || taken[c]) && tries < colours; tries++ {
			c, ok = tries, true
		}
		if taken[c] { // all are: begin again, dashed
			c = i
		}
		out[i], taken[c] = c, true
	}
	return out
}

// favourites are qdiscs' colours.
var favourites = map[string]int{
	"fq_codel": 0, "pfifo": 1, "bfifo": 1, "pfifo_fast": 1, "cake": 2, "cobalt": 2, "codel": 3, "mac80211": 3,
	"pie": 4, "dualpi2": 4, "fq_pie": 5, "sfq": 5, "red": 6, "tbf": 6,
}

// stroke is the line of run i.
func (s *set) stroke(t svg.Theme, i int, w float64) svg.Stroke {
	return svg.Stroke{Colour: t.Series(s.colours[i]), Dash: t.Dash(s.colours[i]), Width: w}
}

func (s *set) keys(t svg.Theme) (ks []svg.Key) {
	for i := range s.r.Runs {
		ks = append(ks, svg.Key{Name: s.r.Label(i), Stroke: s.stroke(t, i, 2)})
	}
	return ks
}

// width is that of a bin in ns.
func (s *set) width() float64 {
	if len(s.data) == 0 {
		return 0
	}
	return float64(s.data[0].Width)
}

func (s *set) bins() int {
	if len(s.data) == 0 {
		return 0
	}
	return len(s.data[0].Arrived)
}

// group is how many bins make one point when there may be so many points.
func (s *set) group(points int) int { return max((s.bins()+points-1)/points, 1) }

// at is the time of a bin's beginning in seconds.
func (s *set) at(bin int) float64 { return (float64(s.data[0].Start) + float64(bin)*s.width()) / 1e9 }

// times are the middles of bins, in groups.
func (s *set) times(group int) (xs []float64) {
	for i := 0; i < s.bins(); i += group {
		xs = append(xs, s.at(i)+float64(group)*s.width()/2e9)
	}
	return xs
}

func (s *set) timeAxis() svg.Axis {
	if len(s.data) == 0 {
		return svg.Axis{Label: "time", Unit: svg.Seconds, Hi: 1}
	}
	return svg.Axis{Label: "time", Unit: svg.Seconds, Lo: s.at(0), Hi: s.at(s.bins())}
}

// spanAxis is a logarithmic axis for spans of up to most ns. What is shorter
// than its beginning is drawn there.
func spanAxis(label string, least, most int64) svg.Axis {
	lo, hi := svg.NiceLog(max(float64(least), minSpan, float64(most)/maxRatio)/1e9, max(float64(most), 10*minSpan)/1e9)
	return svg.Axis{Label: label, Unit: svg.Seconds, Lo: lo, Hi: hi, Log: true}
}

// An axis of spans begins at a microsecond, or later if it ends much later.
const (
	minSpan  = 1e3
	maxRatio = 1e5
)

// seconds converts ns; None becomes NaN, and what is below lo becomes lo.
func seconds(ns []int64, lo float64) []float64 {
	out := make([]float64, len(ns))
	for i, v := range ns {
		out[i] = max(float64(v)/1e9, lo)
		if v == series.None {
			out[i] = math.NaN()
		}
	}
	return out
}

// extent is the least above 0 and the most of spans.
func extent(spans ...[]int64) (least, most int64) {
	for _, ns := range spans {
		for _, v := range ns {
			if v > 0 && (least == 0 || v < least) {
				least = v
			}
			most = max(most, v)
		}
	}
	return least, most
}

// span prints nanoseconds.
func span(ns int64) string { return svg.Seconds(float64(ns) / 1e9) }

// empty says that there is nothing to draw.
func empty(d *svg.Drawing) *svg.Drawing {
	d.Text(d.Width/2, d.Height/2, "no packets", svg.Font{Anchor: "middle", Colour: d.Theme.Faint})
	return d
}

func (s *set) new(title string, w, h float64, t svg.Theme) *svg.Drawing {
	return svg.New(w, h, fmt.Sprintf("%s: %s", s.r.Trace, title), t)
}
