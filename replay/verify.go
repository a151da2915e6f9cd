package replay

import (
	"errors"
	"fmt"
	"strings"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
	"github.com/uqtool/uq/traces"
)

// Verification is what Verify found.
type Verification struct {
	// Packets were read, Decisions compared.
	Packets   uint64 `json:"packets"`
	Decisions uint64 `json:"decisions"`
	// Delivered, Marked and Dropped are the decisions by kind.
	Delivered uint64 `json:"delivered"`
	Marked    uint64 `json:"marked"`
	Dropped   uint64 `json:"dropped"`
	// Copies were made by the link, and Corrupted says how many packets, copies
	// among them, it changed a bit of. A copy has no record, so that its times are
	// compared by the digest.
	Copies    uint64 `json:"copies"`
	Corrupted uint64 `json:"corrupted"`
	// Undecided packets were still held when the run ended, or when the trace
	// was cut.
	Undecided uint64 `json:"undecided"`
	// Untold packets were decided about only after their records had left, so
	// that they are compared by the digest.
	Untold uint64 `json:"untold,omitempty"`
	// Horizon is until when decisions could be compared.
	Horizon pkt.Time `json:"horizon_ns"`
	// Losses are the events the trace tells of in which the live run lost packets
	// or records, by kind: they passed unscheduled or not at all, so the
	// decisions agree without them.
	Losses map[string]Loss `json:"losses,omitempty"`
	// Complete says the trace has its end, so that the digest was compared too.
	Complete bool   `json:"complete"`
	Digest   string `json:"digest"`
	// Divergence is the first difference, or nil.
	Divergence *Divergence `json:"divergence,omitempty"`
}

// Loss is what events of one kind lost.
type Loss struct {
	Events uint64 `json:"events"`
	// Packets is 0 where the kernel does not tell how many.
	Packets uint64 `json:"packets"`
}

// Divergence is the first decision that differs.
type Divergence struct {
	Packet   uint64 `json:"packet"`
	Flow     string `json:"flow"`
	Arrival  string `json:"arrival"`
	Expected string `json:"expected"`
	Got      string `json:"got"`
	// State is the scheduler's when it happened: backlog and counters.
	State string `json:"state"`
}

// Error says it in one paragraph.
func (d *Divergence) Error() string {
	return fmt.Sprintf("packet %d (%s, arrived %s): computed %s, the trace has %s; scheduler then: %s",
		d.Packet, d.Flow, d.Arrival, d.Expected, d.Got, d.State)
}

// Why a trace cannot be verified although it is whole.
var (
	ErrNotLive    = errors.New("the trace has no scheduler in its header: it was recorded without one, so there is nothing to verify")
	ErrAnonymized = errors.New("anonymized: flow hashes changed, decisions cannot be computed again")
)

// CheckScheduler says what is wrong with the scheduler of a trace's header, if
// anything is, and names the field.
func CheckScheduler(m egress.Maker, c traces.Scheduler) error {
	if err := m.CheckQdisc(c.Qdisc); err != nil {
		return fmt.Errorf("%w: scheduler.qdisc in the header: %w", traces.ErrUnusable, err)
	}
	if _, err := m.Link(egress.Config{Link: c.Link, Seed: c.Seed}); err != nil {
		return fmt.Errorf("%w: scheduler.link in the header: %w", traces.ErrUnusable, err)
	}
	return nil
}

// Verify computes the decisions of a live run again from its recorded arrivals
// and its header, and compares kind, reason and times of each, and the digest
// over all when the trace is complete. A difference is not an error but the
// result's Divergence.
//
// A trace that was cut is verified up to its last arrival: later decisions may
// depend on packets that are not there. The error then is the *traces.Damage.
func Verify(r *traces.Reader, m egress.Maker) (Verification, error) {
	var v Verification
	h := r.Header()
	switch {
	case h.Scheduler == nil:
		return v, ErrNotLive
	case h.Anonymized != "":
		return v, ErrAnonymized
	}
	if err := CheckScheduler(m, *h.Scheduler); err != nil {
		return v, err
	}
	c := &comparison{v: &v, r: r, digest: egress.NewDigest()}
	src, err := traces.NewSource(c, traces.SourceOptions{Seed: h.Scheduler.Seed})
	if err != nil {
		return v, err
	}
	pool := &pkt.Pool{}
	port, err := NewPort(m, *h.Scheduler, c, pool)
	if err != nil {
		return v, err
	}
	c.port = port
	err = c.run(src, pool)
	return v, err
}

// comparison is the Sink that compares, and the reader that remembers what the
// trace says of each packet until the port says its own.
type comparison struct {
	v      *Verification
	r      *traces.Reader
	port   *egress.Port
	digest *egress.Digest
	// want holds the records of packets that are undecided, from number base.
	want    []expected
	base    uint64
	overrun uint64 // records the live run dropped: what follows cannot agree
}

// flaws are the remarks that say what the link did.
const flaws = traces.Copied | traces.Corrupted

// expected is a record's decision.
type expected struct {
	verdict       traces.Verdict
	reason        pkt.Reason
	info          traces.Info // of those in flaws
	dequeued, due pkt.Time
	flow          pkt.FlowKey
	arrival       pkt.Time
	compared      bool
	made          traces.Info // the flaws computed so far
}

// Header implements traces.BlockReader.
func (c *comparison) Header() traces.Header { return c.r.Header() }

// NextBlock implements traces.BlockReader.
func (c *comparison) NextBlock(b *traces.Block) error {
	b.HeadersOnly = false // the fates are what is compared
	if err := c.r.NextBlock(b); err != nil {
		return err
	}
	c.forget()
	for i := range b.Time {
		c.want = append(c.want, expected{
			verdict: b.Verdict[i], reason: b.Reason[i], info: b.Info[i] & flaws, dequeued: b.Dequeued[i], due: b.Due[i],
			flow: b.Flows[b.Flow[i]], arrival: b.Time[i],
		})
	}
	return nil
}

// forget drops the oldest expectations that are settled.
func (c *comparison) forget() {
	n := 0
	for n < len(c.want) && c.want[n].compared {
		n++
	}
	c.base += uint64(n)
	c.want = append(c.want[:0], c.want[n:]...)
}

// run feeds the arrivals. Decisions are taken as they fall due; those after the
// last arrival only as far as the live run went.
func (c *comparison) run(src sim.Source, pool *pkt.Pool) error {
	c.r.OnEvent(c.note)
	var readErr error
	for c.v.Divergence == nil {
		p := pool.Get()
		ok, err := src.Next(p)
		if c.overrun > 0 {
			return fmt.Errorf("the live run dropped %d records because the disk was too slow: its arrivals are not all known, so its decisions cannot be computed again", c.overrun)
		}
		if !ok {
			readErr = err
			break
		}
		c.v.Packets++
		c.v.Horizon = p.Arrival
		c.port.Enqueue(p.Arrival, p)
	}
	if c.v.Divergence != nil {
		return nil
	}
	return c.finish(readErr)
}

// note remembers what the live run lost.
func (c *comparison) note(e traces.Event) {
	if e.Kind == traces.WriterOverrun {
		c.overrun += e.Count
	}
	if !e.Kind.Lossy() {
		return
	}
	if c.v.Losses == nil {
		c.v.Losses = map[string]Loss{}
	}
	l := c.v.Losses[e.Kind.String()]
	l.Events++
	l.Packets += e.Count
	c.v.Losses[e.Kind.String()] = l
}

func (c *comparison) finish(readErr error) error {
	end, complete := c.r.End()
	c.v.Complete = complete && end.Scheduled != nil && readErr == nil
	if c.v.Complete {
		c.v.Horizon = pkt.Time(end.Scheduled.HorizonNs)
		if c.v.Horizon < c.port.Now() {
			return fmt.Errorf("%w: scheduled.horizon_ns in the end record: %v is before the last arrival", traces.ErrUnusable, c.v.Horizon)
		}
		c.port.Advance(c.v.Horizon)
	}
	c.undecided()
	c.v.Digest = c.digest.String()
	if c.v.Divergence == nil && c.v.Complete && c.v.Untold != end.Scheduled.Untold {
		c.v.Divergence = &Divergence{
			Packet: c.v.Packets, Flow: "all", Arrival: "end",
			Expected: fmt.Sprintf("%d decided packets without a verdict", c.v.Untold), Got: fmt.Sprint(end.Scheduled.Untold),
			State: "the records say less than the end record",
		}
	}
	if c.v.Divergence == nil && c.v.Complete && c.v.Digest != end.Scheduled.Digest {
		c.v.Divergence = &Divergence{
			Packet: c.v.Packets, Flow: "all", Arrival: "end",
			Expected: "digest " + c.v.Digest, Got: "digest " + end.Scheduled.Digest,
			State: "every decision has the recorded kind and time, but not their order",
		}
	}
	return readErr
}

// undecided checks that what the port still holds was undecided in the live
// run, too. In a cut trace decisions after the last arrival cannot be compared.
func (c *comparison) undecided() {
	for i := range c.want {
		w := &c.want[i]
		switch {
		case w.compared:
		case !w.decided() || !c.v.Complete && w.due >= c.v.Horizon:
			c.v.Undecided++
		case c.v.Divergence == nil:
			c.diverge(c.base+uint64(i), w, "no decision until "+c.v.Horizon.String())
		}
	}
}

func (w *expected) decided() bool {
	return w.verdict != traces.NoVerdict && w.reason != pkt.Shutdown
}

// Event implements egress.Sink.
func (c *comparison) Event(e egress.Event) {
	if c.v.Divergence != nil {
		return
	}
	c.digest.Event(e)
	if e.Kind == egress.Corrupt {
		c.v.Corrupted++
	}
	if e.Packet.Flaws&pkt.Duplicated != 0 {
		c.copied(e)
		return
	}
	w := &c.want[e.Packet.ID-c.base]
	switch e.Kind {
	case egress.Deliver:
		verdict := traces.Accept
		if e.Packet.Mark != pkt.NoReason {
			verdict = traces.MarkCE
			c.v.Marked++
		} else {
			c.v.Delivered++
		}
		if e.Packet.Flaws&pkt.Corrupted != 0 {
			w.made |= traces.Corrupted
		}
		c.compare(e, w, expected{verdict: verdict, reason: e.Packet.Mark, dequeued: e.Packet.Dequeued, due: e.Time})
	case egress.Drop:
		c.v.Dropped++
		at := e.Time
		if e.Reason == pkt.LinkLoss {
			at = e.Packet.Dequeued
		}
		c.compare(e, w, expected{verdict: traces.Drop, reason: e.Reason, dequeued: at, due: e.Time})
	}
}

// copied takes in an event of a copy. The first copy of a packet is made before
// the packet itself is delivered or lost.
func (c *comparison) copied(e egress.Event) {
	if e.Kind != egress.Duplicate {
		return
	}
	c.v.Copies++
	if e.Packet.ID >= c.base {
		c.want[e.Packet.ID-c.base].made |= traces.Copied
	}
}

func (c *comparison) compare(e egress.Event, w *expected, computed expected) {
	w.compared = true
	if w.verdict == traces.NoVerdict {
		c.v.Untold++
		return
	}
	c.v.Decisions++
	computed.info = w.made
	if w.info != computed.info || w.verdict != computed.verdict || w.reason != computed.reason || w.dequeued != computed.dequeued || w.due != computed.due {
		c.diverge(e.Packet.ID, w, computed.String())
	}
}

func (c *comparison) diverge(id uint64, w *expected, computed string) {
	c.v.Divergence = &Divergence{
		Packet: id, Flow: w.flow.String(), Arrival: w.arrival.String(),
		Expected: computed, Got: w.String(), State: state(c.port),
	}
}

// String words a decision.
func (w *expected) String() string {
	if !w.decided() {
		return "no decision"
	}
	s := w.verdict.String()
	if w.reason != pkt.NoReason {
		s += " (" + w.reason.String() + ")"
	}
	if w.info != 0 {
		s += " " + w.info.String()
	}
	if w.verdict == traces.Drop {
		return s + " at " + w.due.String()
	}
	return s + " dequeued " + w.dequeued.String() + " due " + w.due.String()
}

// state prints what a person needs to see why.
func state(p *egress.Port) string {
	n, bytes := p.Scheduler().Backlog()
	b := &strings.Builder{}
	fmt.Fprintf(b, "now %v, backlog %db %dp", p.Now(), bytes, n)
	if d, ok := p.Scheduler().(sched.Describer); ok {
		fmt.Fprintf(b, ", %s", tc.Line(d.Kind(), d.Options()))
		for _, f := range d.Stats() {
			fmt.Fprintf(b, " %s %s", f.Key, f)
		}
	}
	fmt.Fprintf(b, ", link %s", report.LinkLine(p.Link()))
	return b.String()
}
