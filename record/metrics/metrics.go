// Package metrics lets Prometheus watch a recording: it serves what the loop's
// [record.Meter] and the writer's [record.Progress] say, under names that begin
// with uq_.
//
//	loop ──► record.Meter ────┐
//	                          ├──► Recording ◄── GET /metrics
//	writer ──► Update ────────┘
//
// A scrape reads; the loop never waits for one. The registry is the recording's
// own: nothing is global.
package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/traces"
)

// Info says what is recorded; it becomes the labels of uq_recording_info.
type Info struct {
	Version, Queue, Mode, Qdisc, Link string
}

// Recording collects the metrics of one recording.
type Recording struct {
	// Meter is for the loop.
	Meter record.Meter

	mu       sync.Mutex
	progress record.Progress
	info     prometheus.Metric
	descs
}

var _ prometheus.Collector = (*Recording)(nil)

// New returns the metrics of a recording that has not begun.
func New(i Info) *Recording {
	desc := prometheus.NewDesc("uq_recording_info", "What is recorded; always 1.", []string{"version", "queue", "mode", "qdisc", "link"}, nil)
	return &Recording{descs: describe(), info: prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, 1, i.Version, i.Queue, i.Mode, i.Qdisc, i.Link)}
}

// Update takes the newest progress. It may be called from any goroutine.
func (r *Recording) Update(p record.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress = p
}

// descs describe the metrics.
type descs struct {
	packets, bytes, verdicts, losses, late, backlog, records, fileBytes, failed, elapsed *prometheus.Desc
}

func describe() descs {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return descs{
		packets:   desc("uq_packets_total", "Packets that came through the queue; a super-packet is one."),
		bytes:     desc("uq_bytes_total", "Their bytes, from layer 3 up."),
		verdicts:  desc("uq_verdicts_total", "Verdicts given.", "verdict"),
		losses:    desc("uq_losses_total", "What went missing, by kind: enobufs are reports of the kernel, verdicts_refused verdicts, writer_overrun records, all others packets.", "kind"),
		late:      desc("uq_verdict_lateness_seconds", "Until the kernel had a verdict, from when it was due with a scheduler, else from when its packet came."),
		backlog:   desc("uq_backlog_packets", "Packets that came and have no verdict yet."),
		records:   desc("uq_trace_records_total", "Packets handed to the trace's writer."),
		fileBytes: desc("uq_trace_bytes_total", "Bytes of the trace written."),
		failed:    desc("uq_trace_failed", "1 once the trace cannot be written any more, else 0."),
		elapsed:   desc("uq_recording_seconds", "Time since the trace's time zero, at the last update."),
	}
}

// Describe implements prometheus.Collector.
func (r *Recording) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{r.info.Desc(), r.packets, r.bytes, r.verdicts, r.losses, r.late, r.backlog, r.records, r.fileBytes, r.failed, r.elapsed} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (r *Recording) Collect(ch chan<- prometheus.Metric) {
	r.mu.Lock()
	p := r.progress
	r.mu.Unlock()
	m := r.Meter.Read()
	one := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	ch <- r.info
	one(r.packets, prometheus.CounterValue, float64(p.Packets))
	one(r.bytes, prometheus.CounterValue, float64(p.Bytes))
	for v, n := range m.Verdicts {
		if traces.Verdict(v) != traces.NoVerdict {
			one(r.verdicts, prometheus.CounterValue, float64(n), traces.Verdict(v).String())
		}
	}
	for kind, n := range p.Losses.All() {
		one(r.losses, prometheus.CounterValue, float64(n), kind)
	}
	ch <- r.lateness(&m)
	one(r.backlog, prometheus.GaugeValue, float64(m.Backlog))
	one(r.records, prometheus.CounterValue, float64(p.Written.Records))
	one(r.fileBytes, prometheus.CounterValue, float64(p.Written.Bytes))
	broken := 0.0
	if p.Err != nil {
		broken = 1
	}
	one(r.failed, prometheus.GaugeValue, broken)
	one(r.elapsed, prometheus.GaugeValue, p.Elapsed.Seconds())
}

// lateness is the meter's histogram as Prometheus has it: cumulative.
func (r *Recording) lateness(m *record.MeterReading) prometheus.Metric {
	buckets, sum := map[float64]uint64{}, uint64(0)
	for i, n := range m.Late {
		sum += n
		if i < record.LateBuckets-1 {
			buckets[record.LateBound(i).Seconds()] = sum
		}
	}
	return prometheus.MustNewConstHistogram(r.late, sum, m.LateSum.Seconds(), buckets)
}
