package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/interop"
	"github.com/uqtool/uq/traces/interop/formats"
)

// traceExportOptions are the flags of uq trace export.
type traceExportOptions struct {
	outs    []string
	format  string
	salvage bool
	json    bool
}

func newTraceExportCmd(s *streams) *cobra.Command {
	var o traceExportOptions
	cmd := &cobra.Command{
		Use:   "export TRACE -o [FORMAT:]FILE",
		Short: "Write a trace in the formats of other programs",
		Long: `Write a trace, and what became of its packets, in the formats of other
programs. -o may be repeated; the trace is read once. The format is that before
the colon, or the one whose ending the file has:

` + formatHelp() + `
Tables have the names of uq trace cat --json. Their times are ns since the trace's
time zero; what is absent is an empty field or null. In a pcapng a packet is on up
to three interfaces, arrivals, departures and drops, with the same epb_packetid.
Wireshark takes the second sight of a packet for a retransmission; for one side
alone: tshark -r run.pcapng -Y 'frame.interface_id == 1' -w departures.pcapng.
uq sim --export writes what a simulation decided in the same formats.`,
		Example: `  uq trace export t.zst -o t.pcapng -o t.csv
  uq trace export t.zst --format jsonl -o - | jq 'select(.verdict == "drop")'`,
		Args: operands(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTraceExport(cmd.Context(), s, args[0], o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.outs, "output", "o", nil, "file to write, - for standard output; repeatable")
	f.StringVar(&o.format, "format", "", "format of every file: "+formats.Names())
	f.BoolVar(&o.salvage, "salvage", false, "go on after damage, at the next whole block")
	f.BoolVar(&o.json, "json", false, "print what was written as JSON, schema "+exportedSchema)
	_ = cmd.MarkFlagRequired("output")
	return cmd
}

// formatHelp is a table of the formats.
func formatHelp() string {
	var b strings.Builder
	for _, f := range formats.All() {
		fmt.Fprintf(&b, "  %-15s %-20s %s\n", f.Name, f.Ending, f.What)
	}
	return b.String()
}

func runTraceExport(ctx context.Context, s *streams, name string, o traceExportOptions) error {
	targets, err := parseExports("-o", o.outs, o.format)
	if err != nil {
		return err
	}
	for _, t := range targets {
		switch {
		case t.file == "-" && o.json:
			return usageErrorf("-o - --json: both want standard output")
		case t.file == "-" && t.format.Binary && isTerminal(s.out):
			return usageErrorf("-o -: standard output is a terminal, and %s is binary: redirect it", t.format.Name)
		}
	}
	if err := checkExports(s, name, targets, o.json); err != nil {
		return err
	}
	in, err := startTrace(ctx, s, name, &o.salvage)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := openExports(s, targets, traceRun(name, in.Header()))
	if err != nil {
		return err
	}
	defer out.discard()
	status := newStatus(s.err, fileSize(name))
	defer status.clear()
	err = in.fail(out.copy(in.Reader, status))
	status.clear()
	if err != nil && !isDamage(err) {
		return err
	}
	if e := out.commit(); e != nil {
		return e
	}
	if o.json {
		return errors.Join(encodeJSON(s.out, out.report()), err)
	}
	out.print(s.err)
	return err
}

// checkExports finds files that would overwrite the trace, or each other.
func checkExports(s *streams, trace string, targets []exportTarget, json bool) error {
	files := &places{}
	for _, t := range targets {
		if err := files.write("-o", t.file); err != nil {
			return err
		}
		json = json || t.file == "-"
	}
	if json {
		if err := files.output(s.out); err != nil {
			return err
		}
	}
	return files.trace(s, "the trace", trace)
}

// traceRun describes what a trace itself tells.
func traceRun(name string, h traces.Header) interop.Run {
	run := interop.Run{Trace: filepath.Base(name), Tool: toolName(), Header: h}
	if name == "-" {
		run.Trace = "standard input"
	}
	if h.Anchor != nil {
		run.StartNs = h.Anchor.RealtimeNs
	}
	if h.Scheduler != nil {
		run.Qdisc, run.Link, run.Seed = h.Scheduler.Qdisc, h.Scheduler.Link, h.Scheduler.Seed
		run.Rate = linkRate(run.Link)
	}
	return run
}

// linkRate is the rate in a link's words, 0 if it is not constant.
func linkRate(link string) uint64 {
	w := strings.Fields(link)
	if len(w) < 2 || w[0] != "rate" {
		return 0
	}
	rate, err := tc.ParseRate(w[1])
	if err != nil {
		return 0
	}
	return rate
}

// exportTarget is a file to be written.
type exportTarget struct {
	format *formats.Format
	file   string
}

// parseExports reads a flag's values; a format that is not empty is that of all.
func parseExports(flag string, specs []string, format string) (targets []exportTarget, err error) {
	seen := map[string]bool{}
	for _, spec := range specs {
		t := exportTarget{file: spec}
		if format != "" {
			t.format, err = formats.ByName(format)
		} else if t.format, t.file, err = formats.Parse(spec); spec == "-" {
			err = errors.New("standard output has no ending: name the format with --format, or - as FORMAT:-")
		}
		if err != nil {
			return nil, usageErrorf("%s %s: %w", flag, spec, err)
		}
		name := filepath.Clean(t.file)
		if seen[name] {
			return nil, usageErrorf("%s %s: is written twice: name another file", flag, spec)
		}
		seen[name] = true
		targets = append(targets, t)
	}
	return targets, nil
}

// exportFile is one being written.
type exportFile struct {
	exportTarget
	out   *traceOutput
	w     interop.Writer
	bytes uint64
}

// Write implements io.Writer.
func (f *exportFile) Write(p []byte) (int, error) {
	n, err := f.out.Write(p)
	f.bytes += uint64(n)
	return n, err
}

// exports are the files of one run.
type exports struct {
	files  []*exportFile
	events uint64
}

// openExports starts the files of a run.
func openExports(s *streams, targets []exportTarget, run interop.Run) (*exports, error) {
	x := &exports{}
	for _, t := range targets {
		o, err := createTraceOutput(s, t.file)
		if err != nil {
			x.discard()
			return nil, err
		}
		f := &exportFile{exportTarget: t, out: o}
		x.files = append(x.files, f)
		if f.w, err = t.format.New(f, run); err != nil {
			x.discard()
			return nil, fmt.Errorf("write %s: %w", t.file, err)
		}
	}
	return x, nil
}

// copy writes a trace to all files. A damaged one is written as far as it goes.
func (x *exports) copy(in *traces.Reader, status *status) error {
	sink := interop.NewFromTrace(x, in.Header())
	err := traces.Copy(&exportProgress{Sink: sink, in: in, status: status}, in, nil)
	if isDamage(err) {
		return errors.Join(err, sink.Close(traces.End{}))
	}
	return err
}

// exportProgress tells how much of a trace was read.
type exportProgress struct {
	traces.Sink
	in     *traces.Reader
	status *status
	n      uint
	told   int64
}

// Append implements traces.Sink.
func (p *exportProgress) Append(r *traces.Record) error {
	if p.n++; p.n%1024 == 0 {
		at := p.in.Offset()
		p.status.add(int(at - p.told))
		p.told = at
	}
	return p.Sink.Append(r)
}

// Event implements interop.Writer.
func (x *exports) Event(e *interop.Event) error {
	x.events++
	for _, f := range x.files {
		if err := f.w.Event(e); err != nil {
			return fmt.Errorf("write %s: %w", f.file, err)
		}
	}
	return nil
}

// Trouble implements interop.Troubled.
func (x *exports) Trouble(e traces.Event) error {
	for _, f := range x.files {
		if w, ok := f.w.(interop.Troubled); ok {
			if err := w.Trouble(e); err != nil {
				return fmt.Errorf("write %s: %w", f.file, err)
			}
		}
	}
	return nil
}

// Close implements interop.Writer.
func (x *exports) Close(end pkt.Time) error {
	for _, f := range x.files {
		if err := f.w.Close(end); err != nil {
			return fmt.Errorf("write %s: %w", f.file, err)
		}
	}
	return nil
}

// commit makes the files appear.
func (x *exports) commit() error {
	for _, f := range x.files {
		if err := f.out.commit(); err != nil {
			return err
		}
	}
	return nil
}

// discard gives up what commit did not make appear.
func (x *exports) discard() {
	for _, f := range x.files {
		f.out.discard()
	}
}

// exportedSchema names the version of exported's JSON form.
const exportedSchema = "uq-export/1"

// exported says what was written.
type exported struct {
	Schema string         `json:"schema"`
	Events uint64         `json:"events"`
	Files  []exportedFile `json:"files"`
}

type exportedFile struct {
	File   string `json:"file"`
	Format string `json:"format"`
	Bytes  uint64 `json:"bytes"`
}

func (x *exports) report() exported {
	r := exported{Schema: exportedSchema, Events: x.events}
	for _, f := range x.files {
		r.Files = append(r.Files, exportedFile{f.file, f.format.Name, f.bytes})
	}
	return r
}

func (x *exports) print(w io.Writer) {
	for _, f := range x.files {
		fmt.Fprintf(w, "wrote %s: %s, %d bytes\n", printable(f.file, ""), f.format.Name, f.bytes)
	}
}
