// Package formats is the one list of the formats a run can be exported in.
package formats

import (
	"fmt"
	"io"
	"strings"

	"github.com/uqtool/uq/traces/interop"
	"github.com/uqtool/uq/traces/interop/flent"
	"github.com/uqtool/uq/traces/interop/hdr"
	"github.com/uqtool/uq/traces/interop/mahimahi"
	"github.com/uqtool/uq/traces/interop/pcap"
	"github.com/uqtool/uq/traces/interop/table"
)

// Format is one of them.
type Format struct {
	// Name is what users write, Ending what the names of its files end in.
	Name, Ending string
	// What describes it to users.
	What string
	// Binary is not for terminals.
	Binary bool
	// New starts one on w.
	New func(w io.Writer, run interop.Run) (interop.Writer, error)
}

// All lists the formats.
func All() []Format {
	csv := func(w io.Writer, _ interop.Run, k table.Kind) interop.Writer { return table.NewCSV(w, k) }
	jsonl := func(w io.Writer, _ interop.Run, k table.Kind) interop.Writer { return table.NewJSONL(w, k) }
	all := []Format{
		{"pcapng", ".pcapng", "capture with the queue's decisions as comments (Wireshark, tshark)", true,
			func(w io.Writer, run interop.Run) (interop.Writer, error) { return pcap.NewWriter(w, run) }},
		rows("csv", csv, table.Packets), rows("csv", csv, table.Events),
		rows("jsonl", jsonl, table.Packets), rows("jsonl", jsonl, table.Events),
		{"flent", ".flent.gz", "backlog, drops and delay over time (flent)", true,
			func(w io.Writer, run interop.Run) (interop.Writer, error) { return flent.NewWriter(w, run), nil }},
		{"hgrm", ".hgrm", "distribution of the time in the queue, in µs (HdrHistogram)", false,
			func(w io.Writer, _ interop.Run) (interop.Writer, error) { return hdr.NewPercentiles(w), nil }},
		{"hlog", ".hlog", "the same and the delay to the far end, a histogram a second, in ns (HdrHistogram)", false,
			func(w io.Writer, run interop.Run) (interop.Writer, error) { return hdr.NewLog(w, run), nil }},
		{"mahimahi", ".mahimahi.log", "log of mm-link (mm-throughput-graph, mm-delay-graph)", false,
			func(w io.Writer, run interop.Run) (interop.Writer, error) { return mahimahi.NewLog(w, run, false), nil }},
		{"mahimahi-drops", ".mahimahi-drops.log", "the same with drops, which mm-throughput-graph refuses", false,
			func(w io.Writer, run interop.Run) (interop.Writer, error) { return mahimahi.NewLog(w, run, true), nil }},
	}
	return append(all, parquetFormats()...)
}

// rows is a format of one of the tables.
func rows(name string, start func(io.Writer, interop.Run, table.Kind) interop.Writer, k table.Kind) Format {
	f := Format{Name: name, Ending: "." + name, What: "a row for each packet"}
	if k == table.Events {
		f.Name, f.Ending, f.What = name+"-events", ".events."+name, "a row for each event"
	}
	f.New = func(w io.Writer, run interop.Run) (interop.Writer, error) { return start(w, run, k), nil }
	return f
}

// Names lists the formats' names.
func Names() string {
	var names []string
	for _, f := range All() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// ByName finds a format.
func ByName(name string) (*Format, error) {
	for _, f := range All() {
		if f.Name == name {
			return &f, nil
		}
	}
	return nil, fmt.Errorf("unknown format %q: want %s", name, Names())
}

// Parse reads "FORMAT:FILE", or a file alone whose name says its format.
func Parse(s string) (f *Format, file string, err error) {
	if name, rest, ok := strings.Cut(s, ":"); ok {
		if f, err := ByName(name); err == nil {
			if rest == "" {
				return nil, "", fmt.Errorf("%q names no file", s)
			}
			return f, rest, nil
		}
	}
	for _, g := range All() {
		if strings.HasSuffix(s, g.Ending) && (f == nil || len(g.Ending) > len(f.Ending)) {
			f = &g
		}
	}
	if f == nil {
		return nil, "", fmt.Errorf("%q does not end as any format does: write FORMAT:FILE with one of %s", s, Names())
	}
	return f, s, nil
}

// Stem splits the ending of f off a file's name.
func (f *Format) Stem(file string) (stem, ending string) {
	if s, ok := strings.CutSuffix(file, f.Ending); ok {
		return s, f.Ending
	}
	if i := strings.LastIndexByte(file, '.'); i > strings.LastIndexAny(file, `/\`) {
		return file[:i], file[i:]
	}
	return file, ""
}
