package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/report/html"
	"github.com/uqtool/uq/traces"
)

// traceFacts are what a report tells of its trace beside what became of it: it
// takes a second reading.
type traceFacts struct {
	header          traces.Header
	end             traces.End
	ended           bool
	sum             hash.Hash
	bytes           int64
	records, gone   uint64
	first, last     int64
	verdicts        [256]uint64
	events          map[string]uint64
	lost            map[string]uint64
	texts           []string
	held, late      *hdrhistogram.Histogram // ns
	maxHeld, maxLat int64
	damage          error
}

// maxEventTexts is how many remarks about events a report repeats.
const maxEventTexts = 6

// longestSpan is the largest lateness told apart, in ns; about a day.
const longestSpan = 1 << 46

// readTraceFacts reads the trace once more, for what a simulation does not need.
// It returns nil for a trace that cannot be read twice.
func readTraceFacts(ctx context.Context, s *streams, c *simulation) (*traceFacts, error) {
	if c.trace != "" {
		if st, err := os.Stat(c.trace); c.trace == "-" || err != nil || !st.Mode().IsRegular() {
			return nil, nil
		}
	}
	in, err := openInput(ctx, s, c.trace, false)
	if err != nil {
		return nil, err
	}
	defer in.close()
	file, err := in.open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	f := &traceFacts{
		sum: sha256.New(), events: map[string]uint64{}, lost: map[string]uint64{},
		held: hdrhistogram.New(1, longestSpan, 3), late: hdrhistogram.New(1, longestSpan, 3),
	}
	return f, f.read(ctx, io.TeeReader(file, f), c.salvage)
}

// Write counts and sums the file's bytes.
func (f *traceFacts) Write(p []byte) (int, error) {
	f.bytes += int64(len(p))
	return f.sum.Write(p)
}

func (f *traceFacts) read(ctx context.Context, r io.Reader, salvage bool) error {
	open := traces.NewReader
	if salvage {
		open = traces.Salvage
	}
	tr, err := open(r)
	if err != nil {
		return err
	}
	f.header = tr.Header()
	tr.OnEvent(f.event)
	var b traces.Block
	for err == nil && ctx.Err() == nil {
		if err = tr.NextBlock(&b); err == nil {
			f.add(&b)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !errors.Is(err, io.EOF) {
		f.damage = err
	}
	f.end, f.ended = tr.End()
	_, err = io.Copy(io.Discard, r) // for the sum of what damage left unread
	return err
}

func (f *traceFacts) event(e traces.Event) {
	f.events[e.Kind.String()]++
	if e.Kind.Lossy() {
		f.lost[e.Kind.String()] += e.Count
	}
	if e.Text != "" && len(f.texts) < maxEventTexts {
		f.texts = append(f.texts, fmt.Sprintf("%.6f s: %s: %s", inSeconds(int64(e.Time)), e.Kind, e.Text))
	}
}

func (f *traceFacts) add(b *traces.Block) {
	if f.records == 0 {
		f.first = int64(b.Time[0])
	}
	f.last = int64(b.Time[b.Records()-1])
	f.records += uint64(b.Records())
	for i, at := range b.Time {
		f.verdicts[b.Verdict[i]]++
		if b.Info[i]&traces.Gone != 0 {
			f.gone++
		}
		done := b.VerdictTime[i]
		if done == traces.NoTime {
			continue
		}
		f.maxHeld = max(f.maxHeld, keep(f.held, int64(done-at)))
		if due := b.Due[i]; due != traces.NoTime {
			f.maxLat = max(f.maxLat, keep(f.late, int64(done-due)))
		}
	}
}

// keep records a span, 0 if it is negative.
func keep(h *hdrhistogram.Histogram, ns int64) int64 {
	ns = max(ns, 0)
	_ = h.RecordValue(min(ns, longestSpan)) // cannot fail in range
	return ns
}

// sections are the facts about the trace and about the run that made it.
func (f *traceFacts) sections(name string) []html.Section {
	return []html.Section{{Title: "Trace", Rows: f.traceRows(name)}, f.liveSection()}
}

func (f *traceFacts) traceRows(name string) (rows []html.Row) {
	add := func(key, value string) {
		if value != "" {
			rows = append(rows, html.Row{Key: key, Value: value})
		}
	}
	h := f.header
	add("name", name)
	add("SHA-256", fmt.Sprintf("%x", f.sum.Sum(nil)))
	add("size", fmt.Sprintf("%d bytes, %d records over %s", f.bytes, f.records, time.Duration(f.last-f.first)))
	if a := h.Anchor; a != nil && a.RealtimeNs != 0 {
		add("recorded", time.Unix(0, a.RealtimeNs).UTC().Format(time.RFC3339))
	}
	add("by", h.Tool)
	if h.Host != nil {
		add("host", strings.TrimSpace(fmt.Sprintf("%s/%s %s, %d CPUs", h.Host.OS, h.Host.Arch, h.Host.Kernel, h.Host.CPUs)))
	}
	if c := h.Capture; c != nil {
		add("capture", fmt.Sprintf("%s, queue %d, at most %d packets, gso %t", c.Mode, c.Queue, c.MaxLen, c.GSO))
	}
	if sc := h.Scenario; sc != nil {
		add("bottleneck", sc.Bottleneck)
		add("traffic", strings.Join(sc.Traffic, "; "))
		add("command", sc.Command)
	}
	add("comment", h.Comment)
	add("synthetic", h.Synthetic)
	add("anonymized", h.Anonymized)
	add("not captured", strings.Join(h.NotCaptured, ", "))
	return append(rows, f.state())
}

// state says whether the trace is whole.
func (f *traceFacts) state() html.Row {
	r := html.Row{Key: "state", Value: "complete"}
	switch {
	case f.damage != nil:
		r.Value, r.Warn = f.damage.Error(), true
	case !f.ended:
		r.Value, r.Warn = "no end record: the recording was cut", true
	case !f.end.Clean:
		r.Value, r.Warn = "complete, but the recording failed: "+f.end.Why, true
	case f.end.Why != "":
		r.Value += ": " + f.end.Why
	}
	return r
}

// liveSection is how well the recording, or the live scheduling, went: its
// losses and its lateness.
func (f *traceFacts) liveSection() html.Section {
	sec := html.Section{Title: "Losses and lateness of the recording", Note: "What the machine that made the trace got wrong, by its own account."}
	add := func(warn bool, key, format string, args ...any) {
		sec.Rows = append(sec.Rows, html.Row{Key: key, Value: fmt.Sprintf(format, args...), Warn: warn})
	}
	if f.header.Synthetic != "" {
		sec.Note = "No kernel was involved: there was nothing to lose and nothing to be late for."
	}
	if q := f.header.Scheduler; q != nil {
		add(false, "scheduled by", "%s, link %s, seed %d", q.Qdisc, q.Link, q.Seed)
	}
	for v, n := range f.verdicts {
		if n > 0 {
			add(traces.Verdict(v) == traces.Lost, "verdict "+traces.Verdict(v).String(), "%d", n)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(f.events)) {
		_, lossy := f.lost[k]
		if lossy {
			add(true, k, "%d times, %d packets", f.events[k], f.lost[k])
		} else {
			add(false, k, "%d times", f.events[k])
		}
	}
	if len(f.lost) == 0 {
		add(false, "losses", "none told of")
	}
	if f.gone > 0 {
		add(true, "gone", "%d packets: the kernel no longer had them when their verdict came", f.gone)
	}
	f.addSpans(add)
	for _, text := range f.texts {
		add(false, "event", "%s", text)
	}
	return sec
}

func (f *traceFacts) addSpans(add func(warn bool, key, format string, args ...any)) {
	for _, h := range []struct {
		what string
		h    *hdrhistogram.Histogram
		max  int64
	}{{"verdicts late", f.late, f.maxLat}, {"held", f.held, f.maxHeld}} {
		if h.h.TotalCount() == 0 {
			continue
		}
		add(false, h.what, "p50 %s, p99 %s, max %s over %d packets", micros(h.h.ValueAtQuantile(50)), micros(h.h.ValueAtQuantile(99)), micros(h.max), h.h.TotalCount())
	}
}

func micros(ns int64) string {
	us := float64(ns) / 1e3
	return report.Span(&us)
}
