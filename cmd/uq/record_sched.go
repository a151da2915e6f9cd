package main

import (
	"context"
	"strings"

	"github.com/spf13/pflag"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// ceMark is the firewall mark, a bit that hardly anybody uses, with which a
// verdict asks for CE.
const ceMark = 1 << 28

// schedOptions say what schedules the recorded packets.
type schedOptions struct {
	qdisc, link, timer string
	seed               uint64
}

func (o *schedOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.qdisc, "qdisc", "", "schedule the packets for real: "+kindNames()+", as tc writes them")
	f.StringVar(&o.link, "link", "rate 20mbit", `with --qdisc: "rate RATE [delay TIME] [overhead BYTES]" or "unlimited"`)
	f.StringVar(&o.timer, "timer", string(replay.Hybrid), "with --qdisc: wait by sleep, hybrid (poll the last 100us) or spin (a core of its own)")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the scheduler and of the lab's built-in traffic")
}

// validate makes the settings' scheduler. Where a link shapes, the lab's own
// shaper steps back, unless it was asked for.
func (o *schedOptions) validate(r *recordOptions, f *pflag.FlagSet) error {
	r.lab.seed = o.seed
	if o.qdisc == "" {
		return refuse(f, "needs --qdisc", []string{"link", "timer"})
	}
	timer, err := replay.ParseTimer(o.timer)
	if err != nil {
		return usageErrorf("--timer: %w", err)
	}
	r.set.Timer = timer
	r.set.Scheduler = &traces.Scheduler{Qdisc: strings.TrimSpace(o.qdisc), Link: o.link, Seed: o.seed, GSO: "whole"}
	if _, err := replay.NewPort(*r.set.Scheduler, nil, &pkt.Pool{}); err != nil {
		return usageErrorf("--qdisc, --link: %w", err)
	}
	if r.lab.on && !f.Changed("bottleneck") {
		r.lab.bottleneck = "delay 20ms"
	}
	return nil
}

// scheduleQueue lets a scheduler decide about the queue's packets.
func scheduleQueue(ctx context.Context, q *nfq.Queue, w *traces.Writer, o replay.LiveOptions) (rec recorded, err error) {
	l, err := replay.NewLive(q, o)
	if err != nil {
		return rec, err
	}
	res, err := l.Run(ctx, w)
	rec.Live = &res
	st := w.Stats()
	rec.Record = record.Summary{
		Counts: res.Counts, Segs: res.Segs, Records: st.Records, FileBytes: st.Bytes,
		DurationNs: int64(o.Clock.Now()), VerdictLatencyNs: res.Lateness,
		Clean: err == nil, Why: res.Why,
	}
	rec.Record.Rates()
	return rec, err
}
