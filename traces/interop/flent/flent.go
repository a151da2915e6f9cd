// Package flent writes a run as a data file of flent, of its test qdisc-stats:
// flent prints its summary and plots backlog, drops and delay of the queue.
//
//	flent -p delay -o delay.png run.flent.gz other.flent.gz
//
// Drops and marks are those of each step, the backlog is the one at its end, the
// delay the mean time in the queue of the packets that left in it, without a
// value if none did.
package flent

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"path"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces/interop"
)

const (
	// fileVersion is the version of flent's format.
	fileVersion = 4
	// firstStep is the step of short runs. It doubles whenever a run has more than
	// maxSteps of them.
	firstStep = pkt.Time(100 * time.Millisecond)
	maxSteps  = 4096
	// series is the name of the test's data set; its columns follow "::".
	series = "qdisc-stats"
)

// step is what happened in one.
type step struct {
	backlogPkts, backlogBytes int64 // at its end
	dropped, marked           uint64
	sojourn                   pkt.Time // sum
	left                      uint64
}

// Writer collects a run; Close writes it.
type Writer struct {
	w     io.Writer
	run   interop.Run
	width pkt.Time
	steps []step
	now   step
}

// NewWriter writes to w at Close.
func NewWriter(w io.Writer, run interop.Run) *Writer {
	return &Writer{w: w, run: run, width: firstStep}
}

// Event implements interop.Writer.
func (w *Writer) Event(e *interop.Event) error {
	w.until(e.Time)
	if e.Up {
		return nil
	}
	s := &w.now
	switch e.Kind {
	case egress.Enqueue:
		s.backlogPkts++
		s.backlogBytes += int64(e.Size)
	case egress.Drop:
		s.dropped++
	case egress.Mark:
		s.marked++
	}
	if e.Leaves {
		s.backlogPkts--
		s.backlogBytes -= int64(e.Size)
		if e.LetGo() {
			s.sojourn += e.Sojourn()
			s.left++
		}
	}
	return nil
}

// until ends the steps that end before t, or at it.
func (w *Writer) until(t pkt.Time) {
	for t >= w.width*pkt.Time(len(w.steps)+1) {
		if len(w.steps) == maxSteps {
			w.widen()
			continue
		}
		w.steps = append(w.steps, w.now)
		w.now = step{backlogPkts: w.now.backlogPkts, backlogBytes: w.now.backlogBytes}
	}
}

// widen makes one step of every two; maxSteps is even.
func (w *Writer) widen() {
	for i := range maxSteps / 2 {
		a, b := &w.steps[2*i], &w.steps[2*i+1]
		w.steps[i] = step{
			b.backlogPkts, b.backlogBytes, a.dropped + b.dropped, a.marked + b.marked, a.sojourn + b.sojourn, a.left + b.left,
		}
	}
	w.steps = w.steps[:maxSteps/2]
	w.width *= 2
}

// file is flent's format.
type file struct {
	Metadata metadata             `json:"metadata"`
	Raw      map[string][]raw     `json:"raw_values"`
	Results  map[string][]*number `json:"results"`
	Version  int                  `json:"version"`
	X        []number             `json:"x_values"`
}

// number is a value; there are no NaN and no infinities.
type number float64

type raw struct {
	T       number  `json:"t"`
	Delay   *number `json:"delay"`
	Pkts    number  `json:"backlog_pkts"`
	Bytes   number  `json:"backlog_bytes"`
	Dropped number  `json:"dropped"`
	Marked  number  `json:"ecn_mark"`
}

type metadata struct {
	DataFilename   string                       `json:"DATA_FILENAME"`
	FlentVersion   string                       `json:"FLENT_VERSION"`
	Host           string                       `json:"HOST"`
	Hosts          []string                     `json:"HOSTS"`
	IPVersion      int                          `json:"IP_VERSION"`
	Length         float64                      `json:"LENGTH"`
	LocalHost      string                       `json:"LOCAL_HOST"`
	Name           string                       `json:"NAME"`
	Note           string                       `json:"NOTE"`
	SeriesMeta     map[string]map[string]string `json:"SERIES_META"`
	StepSize       float64                      `json:"STEP_SIZE"`
	T0             string                       `json:"T0"`
	TestParameters map[string]string            `json:"TEST_PARAMETERS"`
	Time           string                       `json:"TIME"`
	Title          string                       `json:"TITLE"`
	TotalLength    float64                      `json:"TOTAL_LENGTH"`
}

// Close implements interop.Writer.
func (w *Writer) Close(end pkt.Time) error {
	w.until(end)
	if w.now.left > 0 || w.now.dropped > 0 || w.now.marked > 0 || len(w.steps) == 0 {
		w.steps = append(w.steps, w.now)
	}
	z := gzip.NewWriter(w.w)
	enc := json.NewEncoder(z)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(w.file()); err != nil {
		return err
	}
	return z.Close()
}

func (w *Writer) file() file {
	f := file{Metadata: w.metadata(), Raw: map[string][]raw{}, Results: map[string][]*number{}, Version: fileVersion}
	for i := range w.steps {
		s := &w.steps[i]
		at := w.width * pkt.Time(i+1)
		f.X = append(f.X, seconds(at))
		r := raw{
			T: seconds(pkt.Time(w.run.StartNs) + at), Pkts: number(s.backlogPkts), Bytes: number(s.backlogBytes),
			Dropped: number(s.dropped), Marked: number(s.marked),
		}
		if s.left > 0 {
			ms := number(float64(s.sojourn/pkt.Time(s.left)) / 1e6)
			r.Delay = &ms
		}
		f.Raw[series] = append(f.Raw[series], r)
		for _, c := range []struct {
			name string
			v    *number
		}{{"", r.Delay}, {"::delay", r.Delay}, {"::backlog_pkts", &r.Pkts}, {"::backlog_bytes", &r.Bytes}, {"::dropped", &r.Dropped}, {"::ecn_mark", &r.Marked}} {
			f.Results[series+c.name] = append(f.Results[series+c.name], c.v)
		}
	}
	return f
}

func seconds(t pkt.Time) number { return number(float64(t) / 1e9) }

func (w *Writer) metadata() metadata {
	length := float64(w.width*pkt.Time(len(w.steps))) / 1e9
	start := time.Unix(0, w.run.StartNs).UTC().Format("2006-01-02T15:04:05.000000Z")
	title := strings.TrimSpace(w.run.Qdisc + " " + path.Base(w.run.Trace))
	units := map[string]map[string]string{}
	for name, unit := range map[string]string{"": "ms", "::delay": "ms", "::backlog_pkts": "packets", "::backlog_bytes": "bytes", "::dropped": "packets", "::ecn_mark": "packets"} {
		units[series+name] = map[string]string{"UNITS": unit}
	}
	return metadata{
		DataFilename: path.Base(w.run.Trace) + ".flent.gz", FlentVersion: "2.1.1",
		Host: "uq", Hosts: []string{"uq"}, IPVersion: 4, Length: length, LocalHost: "uq", Name: series,
		Note:       strings.TrimSpace("written by " + w.run.Tool + "; trace " + w.run.Trace + "; link " + w.run.Link),
		SeriesMeta: units, StepSize: float64(w.width) / 1e9, T0: start,
		TestParameters: map[string]string{"qdisc": w.run.Qdisc, "link": w.run.Link}, Time: start, Title: title, TotalLength: length,
	}
}
