package figure

import (
	"fmt"

	"github.com/uqtool/uq/sim/report/svg"
)

// air are the figures of an access point's medium; none without one.
func (s *set) air() []Figure {
	if len(s.r.Runs) == 0 || s.r.Runs[0].WiFi == nil {
		return nil
	}
	var timeline []Figure
	if s.r.Runs[0].Air != nil {
		timeline = append(timeline, Figure{"timeline", "Who held the medium", "PPDUs as boxes, with a line between the frames of an aggregate, in the row of their station; what is for all, or nobody's, in the last.", s.r.Timeline})
	}
	return append(timeline, []Figure{
		{"air", "Use of the air", "What the medium's time went to, for the whole run.", s.medium},
		{"stations", "Airtime by station", "Each station's share of the airtime that frames took, both directions, failed frames included.", s.stations},
	}...)
}

// part is a piece of a stacked bar, a share of 1.
type part struct {
	name  string
	share float64
}

func (s *set) medium(t svg.Theme, width float64) *svg.Drawing {
	rows := make([][]part, len(s.r.Runs))
	for i, run := range s.r.Runs {
		for _, a := range run.WiFi.Time {
			rows[i] = append(rows[i], part{a.Kind, a.Share})
		}
	}
	return s.stack("use of the air", rows, t, width)
}

// stackedStations is how many stations have pieces of their own.
const stackedStations = 12

func (s *set) stations(t svg.Theme, width float64) *svg.Drawing {
	rows := make([][]part, len(s.r.Runs))
	for i, run := range s.r.Runs {
		for j, st := range run.WiFi.Stations {
			if j < stackedStations {
				rows[i] = append(rows[i], part{st.Address, st.Share})
				continue
			}
			rest := &rows[i][len(rows[i])-1]
			if j > stackedStations {
				rest.share += st.Share
			} else {
				rows[i] = append(rows[i], part{"others", st.Share})
			}
		}
	}
	return s.stack("airtime by station", rows, t, width)
}

// stack draws a bar for each run, whose pieces are the parts that any run has
// some of.
func (s *set) stack(title string, rows [][]part, t svg.Theme, width float64) *svg.Drawing {
	const pitch = 34
	used := make([]bool, len(rows[0]))
	var keys []svg.Key
	for i := range used {
		for _, row := range rows {
			used[i] = used[i] || row[i].share > 0
		}
		if used[i] {
			f := pieceFill(t, len(keys))
			keys = append(keys, svg.Key{Name: rows[0][i].name, Stroke: svg.Stroke{Colour: f.Colour, Opacity: f.Opacity, Width: 9}})
		}
	}
	m := svg.DefaultMargins
	legend := svg.New(width, 0, "", t).Legend(m.Left, m.Top, width-m.Right, keys) // its height
	h := legend + 8 + pitch*float64(len(rows)) + m.Bottom
	d := s.new(title, width, h, t)
	if len(keys) == 0 {
		return empty(d)
	}
	d.Legend(m.Left, m.Top, width-m.Right, keys)
	var labels []string
	for i := range rows {
		labels = append(labels, s.r.Label(i))
	}
	p := d.PlotIn(m.Left+14, legend+8, width-m.Right, h-m.Bottom,
		svg.Axis{Label: "share", Unit: svg.Percent, Hi: 1, Ticks: 5},
		svg.Axis{Lo: -0.5, Hi: float64(len(rows)) - 0.5, Flip: true, Names: labels})
	for i, row := range rows {
		at, piece := 0.0, 0
		for j, part := range row {
			if !used[j] {
				continue
			}
			from, to := p.X.At(at), p.X.At(at+part.share)
			note := fmt.Sprintf("%s: %s %s", s.r.Label(i), part.name, svg.Percent(part.share))
			d.Rect(from, p.Y.At(float64(i))-pitch*0.36, to-from, pitch*0.72, pieceFill(t, piece), svg.Stroke{}, note)
			at += part.share
			piece++
		}
	}
	return d
}

// pieceFill sets the pieces of a bar apart: every colour, then each fainter.
func pieceFill(t svg.Theme, i int) svg.Fill {
	return svg.Fill{Colour: t.Series(i), Opacity: [...]float64{0.9, 0.5, 0.25}[i/len(t.Colours)%3]}
}
