package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nft"
	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
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
	copies             bool // the link makes some
}

func (o *schedOptions) flags(f *pflag.FlagSet, ports egress.Maker) {
	f.StringVar(&o.qdisc, "qdisc", "", "schedule the packets for real: "+kindNames(ports)+", as tc writes them")
	f.StringVar(&o.link, "link", "rate 20mbit", "with --qdisc: "+linkHelp)
	f.StringVar(&o.timer, "timer", string(replay.Hybrid), "with --qdisc: wait by sleep, hybrid (poll the last 100us) or spin (a core of its own)")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the scheduler and of the lab's built-in traffic")
}

// validate makes the settings' scheduler. Where a link shapes, the lab's own
// shaper steps back, unless it was asked for.
func (o *schedOptions) validate(r *recordOptions, f *pflag.FlagSet) error {
	r.lab.seed = o.seed
	if o.qdisc == "" {
		return refuse(f, "needs --qdisc", append([]string{"link", "timer"}, drawnFlags...))
	}
	timer, err := replay.ParseTimer(o.timer)
	if err != nil {
		return usageErrorf("--timer: %w", err)
	}
	r.set.Timer = timer
	r.set.Scheduler = &traces.Scheduler{Qdisc: strings.TrimSpace(o.qdisc), Link: o.link, Seed: o.seed, GSO: "whole"}
	port, err := replay.NewPort(r.set.ports, *r.set.Scheduler, nil, &pkt.Pool{})
	if err != nil {
		return usageErrorf("--qdisc, --link: %w", err)
	}
	if replay.Whole(port.Link()) {
		if err := o.takeWhole(r, port.Link(), f); err != nil {
			return err
		}
	}
	r.set.Scheduler.Link = link.Pin(o.link, port.Link())
	if r.set.GSO && splits(port.Scheduler()) {
		r.set.Warnings = append(r.set.Warnings, fmt.Sprintf("%q takes super-packets apart in Linux, but a live queue holds them whole: --gso off has the kernel segment them before the queue", o.qdisc))
	}
	r.set.makeRoom(replay.Room(port), f.Changed("maxlen"))
	if room := replay.RoomFor(port, netns.MTU); room > nfq.TableSize {
		r.set.Warnings = append(r.set.Warnings, fmt.Sprintf("%q may hold %d packets on this link, but newer kernels hold no more than about %d in a queue, whatever --maxlen says, and drop the rest before it decides: give it a smaller limit",
			r.set.Scheduler.Qdisc, room, nfq.TableSize))
	}
	if r.lab.on && !f.Changed("bottleneck") {
		r.lab.bottleneck = "delay 20ms"
	}
	return nil
}

// takeWhole asks the queue for every byte of every packet, since the link copies
// them or changes bits of them.
func (o *schedOptions) takeWhole(r *recordOptions, l link.Link, f *pflag.FlagSet) error {
	words := strings.Join(link.Rewrites(l), " and ")
	if err := refuse(f, "does not go with "+words+" on the link, which need all bytes of every packet: leave it out", []string{"copy-range"}); err != nil {
		return err
	}
	if f.Changed("gso") && r.gso == "on" {
		return usageErrorf("--gso on does not go with %s on the link, which happen to packets as they are on the wire: leave it out", words)
	}
	o.copies = replay.Copies(l)
	if hook := r.host.hook; o.copies && (hook == string(nft.Input) || hook == string(nft.Prerouting)) {
		return usageErrorf("--link: duplicate: a copy can be sent, not received: --hook %s has no device to send it by: use forward, output or postrouting", hook)
	}
	r.set.GSO, r.set.CopyRange = false, nfq.MaxCopyRange
	if !f.Changed("rcvbuf") {
		r.set.RcvBuf = replay.WholeRcvBuf
	}
	return nil
}

// makeRoom relates the kernel queue's limit to the packets that the scheduler
// may hold there: the kernel should not drop before the scheduler decides. What
// the user has chosen stays, for experiments.
func (set *recordSettings) makeRoom(room uint64, chosen bool) {
	switch {
	case !chosen:
		// Packets that wait to be read are in the queue as well.
		set.MaxLen = int(min(max(uint64(set.MaxLen), room+room/4), maxMaxLen))
	case uint64(set.MaxLen) < room:
		set.Warnings = append(set.Warnings, fmt.Sprintf("--maxlen %d is less than the %d packets that %q may hold on this link: the kernel will drop before it decides: raise --maxlen or leave it out",
			set.MaxLen, room, set.Scheduler.Qdisc))
	}
}

// scheduleQueue lets a scheduler decide about the queue's packets.
func scheduleQueue(ctx context.Context, l *replay.Live, w *traces.Writer, clock record.Clock) (rec recorded, err error) {
	res, err := l.Run(ctx, w)
	rec.Live = &res
	rec.Record = record.Summary{
		Counts: res.Counts, FileBytes: w.Stats().Bytes,
		DurationNs: int64(clock.Now()), VerdictLatencyNs: res.Lateness,
		QueueFullKnown: res.QueueFullKnown, Clean: err == nil, Why: res.Why,
	}
	rec.Record.Keep(res.Kept)
	rec.Record.Rates()
	return rec, err
}
