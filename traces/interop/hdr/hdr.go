// Package hdr writes the time that packets the queue let go spent in it, as a
// report's sojourn, as HdrHistogram files: .hgrm, the distribution of the whole run for people and plotters, and
// .hlog, a histogram an interval for HistogramLogProcessor and its like.
//
// Values are nanoseconds to three significant digits; .hgrm prints them in
// microseconds. A log has the time in the queue without a tag, and with the tag
// delay that from arrival to the far end.
package hdr

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces/interop"
)

const (
	// highest is the largest value told apart: about five hours. Larger ones count
	// as that.
	highest = 1 << 44
	digits  = 3
	// interval is what a line of a log covers.
	interval = pkt.Time(time.Second)
	// halving is how many lines .hgrm has for each half of what remains.
	halving = 5
	// perMicro is nanoseconds in .hgrm's unit.
	perMicro = 1000
)

func newHistogram(tag string) *hdrhistogram.Histogram {
	h := hdrhistogram.New(1, highest, digits)
	h.SetTag(tag)
	return h
}

func record(h *hdrhistogram.Histogram, t pkt.Time) {
	_ = h.RecordValue(int64(min(max(t, 0), highest))) // cannot fail in range
}

// Percentiles writes .hgrm.
type Percentiles struct {
	w io.Writer
	h *hdrhistogram.Histogram
}

// NewPercentiles writes to w at Close.
func NewPercentiles(w io.Writer) *Percentiles { return &Percentiles{w, newHistogram("")} }

// Event implements interop.Writer.
func (p *Percentiles) Event(e *interop.Event) error {
	if e.LetGo() {
		record(p.h, e.Sojourn())
	}
	return nil
}

// Close implements interop.Writer.
func (p *Percentiles) Close(pkt.Time) error {
	b := bufio.NewWriter(p.w)
	if _, err := p.h.PercentilesPrint(b, halving, perMicro); err != nil {
		return err
	}
	return b.Flush()
}

// Log writes .hlog.
type Log struct {
	w     *bufio.Writer
	log   *hdrhistogram.HistogramLogWriter
	start int64 // ms since 1970 of time zero
	from  pkt.Time
	hists [2]*hdrhistogram.Histogram // sojourn, delay
	err   error
}

// NewLog starts a log on w.
func NewLog(w io.Writer, run interop.Run) *Log {
	b := bufio.NewWriter(w)
	l := &Log{w: b, log: hdrhistogram.NewHistogramLogWriter(b), start: run.StartNs / int64(time.Millisecond)}
	l.hists = [2]*hdrhistogram.Histogram{newHistogram(""), newHistogram("delay")}
	for _, c := range []string{
		"[Logged by " + run.Tool + ": ns in the queue; with tag delay, ns to the far end]",
		"[Histogram log format version 1.3]",
	} {
		l.note(l.log.OutputComment(c))
	}
	l.note(l.log.OutputStartTime(l.start))
	l.log.SetBaseTime(l.start)
	_, err := fmt.Fprintf(b, "#[BaseTime: %d.%03d (seconds since epoch)]\n", l.start/1000, l.start%1000)
	l.note(err)
	l.note(l.log.OutputLegend())
	return l
}

func (l *Log) note(err error) {
	if l.err == nil {
		l.err = err
	}
}

// Event implements interop.Writer.
func (l *Log) Event(e *interop.Event) error {
	if e.Time >= l.from+interval {
		l.line(l.from + interval)
		l.from = e.Time - e.Time%interval
	}
	if e.LetGo() {
		record(l.hists[0], e.Sojourn())
	}
	if e.Kind == egress.Deliver && !e.Up {
		record(l.hists[1], e.Sojourn())
	}
	return l.err
}

// line ends the interval at the time to. An interval without packets has none.
func (l *Log) line(to pkt.Time) {
	for _, h := range l.hists {
		if h.TotalCount() == 0 {
			continue
		}
		h.SetStartTimeMs(l.start + int64(l.from/pkt.Time(time.Millisecond)))
		h.SetEndTimeMs(l.start + int64(to/pkt.Time(time.Millisecond)))
		l.note(l.log.OutputIntervalHistogram(h))
		tag := h.Tag()
		h.Reset()
		h.SetTag(tag)
	}
}

// Close implements interop.Writer.
func (l *Log) Close(end pkt.Time) error {
	l.line(min(max(end, l.from), l.from+interval))
	l.note(l.w.Flush())
	return l.err
}
