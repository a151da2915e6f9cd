package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/report/figure"
	"github.com/uqtool/uq/sim/report/svg"
	"github.com/uqtool/uq/sim/tc"
)

// airing is a picture of an access point's medium: who held it, and when.
type airing struct {
	file, window string
	// besides says that it is drawn where there are other pictures.
	besides bool

	from, to pkt.Time
	logs     []*report.AirLog
}

// airWindow is drawn if no other time is wanted.
const airWindow = "1s..1.05s"

func (a *airing) flags(f *pflag.FlagSet) {
	f.StringVar(&a.file, "timeline", "", "with a wifi link: draw who held the medium, into this SVG file; --svg and --html have it anyway")
	f.StringVar(&a.window, "timeline-window", airWindow, "the time that --timeline draws, FROM..TO since the trace's time zero")
}

// check reads the window, and finds a name that cannot be written to; besides says
// that there are other pictures.
func (a *airing) check(files *places, besides bool) error {
	a.besides = besides
	switch {
	case a.file == "-":
		return usageErrorf("--timeline -: a picture is a file: name one")
	case a.wanted():
	case a.window != airWindow:
		return usageErrorf("--timeline-window %s: nothing is drawn: add --timeline FILE, --svg or --html", a.window)
	default:
		return nil
	}
	from, to, ok := strings.Cut(a.window, "..")
	start, err := tc.ParseTime(from)
	end, err2 := tc.ParseTime(to)
	if !ok || err != nil || err2 != nil || end <= start {
		return usageErrorf("--timeline-window %q: want FROM..TO, for example 1s..1.05s", a.window)
	}
	if end-start > time.Minute {
		return usageErrorf("--timeline-window %q: want at most a minute: a picture of more shows nothing", a.window)
	}
	a.from, a.to = pkt.Time(start), pkt.Time(end)
	if a.file == "" {
		return nil
	}
	if err := checkPlace("--timeline", a.file, true); err != nil {
		return err
	}
	return files.write("--timeline", a.file)
}

func (a *airing) wanted() bool { return a.file != "" || a.besides }

// watch logs the medium of one more port.
func (a *airing) watch(port *egress.Port) error {
	if a == nil || !a.wanted() {
		return nil
	}
	l := report.NewAirLog(port.Link(), a.from, a.to)
	switch {
	case l == nil && a.file == "":
		return nil
	case l == nil:
		return usageErrorf("--timeline: the link is no access point's: say one with --link \"wifi ...\"")
	}
	a.logs = append(a.logs, l)
	return nil
}

// hand gives the runs their logs, unless there is nothing in a picture that was not
// asked for.
func (a *airing) hand(runs []*report.Run) {
	if a == nil || a.file == "" && a.idle() {
		return
	}
	for i, l := range a.logs {
		runs[i].Air = l
	}
}

// idle says that there is nothing to draw.
func (a *airing) idle() bool {
	for _, l := range a.logs {
		if len(l.Air) > 0 {
			return false
		}
	}
	return true
}

// write draws.
func (a *airing) write(s *streams, r *report.Report) error {
	if a.file == "" {
		return nil
	}
	if a.idle() {
		last := time.Duration(r.Runs[0].DurationUs * 1e3)
		fmt.Fprintf(s.err, "note: --timeline-window %s: the picture is empty: nobody used the medium then, and all packets had passed %s after the first\n", a.window, last)
	}
	d := r.Timeline(svg.Paper, figure.PaperWidth)
	if err := writeFile(s, a.file, []byte(d.String())); err != nil {
		return fmt.Errorf("write the timeline: %w", err)
	}
	return nil
}
