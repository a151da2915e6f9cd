package inject

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// Files are the traces of a live replay.
type Files struct {
	// Trace is read, from its front. Outcome is written and read: an empty file.
	// Nil is a temporary one.
	Trace, Outcome *os.File
	// Stderr is for the words of the lab's processes.
	Stderr *os.File
}

// run is a live replay under way.
type run struct {
	task  *Task
	files []*os.File
	temp  []*os.File // those of files that are ours
	rep   Report
	inj   *spread
	rel   *spread
	del   *spread
	first int64
	last  int64
	any   bool
}

// Run replays in a wire of its own and accounts for every packet. payload is
// what makes the program's Roles do t's Capture, Source and Sink. When ctx ends
// before, the report is about what was sent until then.
func Run(ctx context.Context, t *Task, payload json.RawMessage, f Files, compare bool) (*Report, error) {
	r := &run{task: t, inj: newSpread(), rel: newSpread(), del: newSpread()}
	defer r.close()
	if err := r.open(f); err != nil {
		return nil, err
	}
	cfg := netns.Config{Wire: &netns.Wire{Drain: t.Drain}, CEMark: CEMark, Payload: payload}
	res, err := netns.Run(ctx, cfg, netns.Stdio{Out: f.Stderr, Err: f.Stderr, Extra: r.files})
	if err != nil {
		return nil, err
	}
	r.rep.Interrupted, r.rep.Notes = res.Interrupted, res.Notes
	if len(res.Capture) == 0 {
		return &r.rep, nil // interrupted before it began
	}
	if err := r.account(res, compare); err != nil {
		return nil, err
	}
	return &r.rep, nil
}

// open makes the files that the lab's processes write.
func (r *run) open(f Files) error {
	r.files = make([]*os.File, taskFiles)
	r.files[traceFile], r.files[outcomeFile] = f.Trace, f.Outcome
	for i := range r.files {
		if r.files[i] != nil {
			continue
		}
		tmp, err := emptyFile("uq-replay-*")
		if err != nil {
			return fmt.Errorf("make a temporary file: %w", err)
		}
		r.files[i], r.temp = tmp, append(r.temp, tmp)
	}
	return nil
}

// close closes the temporary files; the caller's are theirs.
func (r *run) close() {
	for _, f := range r.temp {
		_ = f.Close()
	}
}

// account joins the logs and explains.
func (r *run) account(res *netns.Result, compare bool) error {
	var source SourceResult
	var router RouterResult
	var sink SinkResult
	for _, p := range []struct {
		raw json.RawMessage
		to  any
	}{{res.Capture, &router}, {res.Source, &source}, {res.Sink, &sink}} {
		if len(p.raw) == 0 {
			continue
		}
		if err := json.Unmarshal(p.raw, p.to); err != nil {
			return fmt.Errorf("read the lab's result: %w", err)
		}
	}
	if source.Damage != "" {
		r.rep.Notes = append(r.rep.Notes, source.Damage)
	}
	if u := router.Unwritten; u != nil {
		r.rep.Unwritten = &record.WriteError{Records: u.Records, Err: errors.New(u.Err)}
	}
	var c *comparer
	if compare && router.Unwritten == nil {
		c = newComparer()
	}
	t := newTally()
	found, err := r.join(func(f *Fate) error {
		t.add(f)
		r.measure(f)
		if c != nil {
			c.add(f)
		}
		return nil
	})
	if err != nil {
		return err
	}
	a := accountsOf(res, source, router, sink)
	r.rep.Balance = t.close(&a, found)
	r.rep.Run, r.rep.Live, r.rep.Retries = router.Live.Run, router.Live.Counts, source.Retries
	r.rep.Injection, r.rep.Release, r.rep.Delivery = r.inj.histogram(), r.rel.histogram(), r.del.histogram()
	r.rep.SpanNs = r.last - r.first
	if c != nil {
		r.rep.Comparison, err = r.compare(c)
	}
	return err
}

func (r *run) section(i int) (io.Reader, error) {
	st, err := r.files[i].Stat()
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(r.files[i], 0, st.Size()), nil
}

func (r *run) join(give func(*Fate) error) (rest, error) {
	var l logs
	outcome, err := OpenTrace(r.files[outcomeFile])
	for file, to := range map[int]*io.Reader{sentFile: &l.sent, arrivalsFile: &l.arrivals, receivedFile: &l.received, copiesFile: &l.copies} {
		section, serr := r.section(file)
		*to, err = section, errors.Join(err, serr)
	}
	if err != nil {
		return rest{}, fmt.Errorf("read what was noted: %w", err)
	}
	return join(l, outcome, give)
}

// measure takes a packet's lateness.
func (r *run) measure(f *Fate) {
	if !f.Sent() {
		return
	}
	if !r.any {
		r.any, r.first = true, f.Due
	}
	r.last, r.rep.DriftNs = f.Due, f.At-f.Due
	r.inj.add(f.At - f.Due)
	rec := &f.Record
	if !f.Recorded || rec.Due == traces.NoTime || rec.VerdictTime == traces.NoTime {
		return
	}
	r.rel.add(int64(rec.VerdictTime - rec.Due))
	if f.Received != 0 {
		r.del.add(f.Received - f.ArrivedAt - int64(rec.Due-rec.Time))
	}
}

// compare simulates what arrived and what was recorded, and compares both with
// what was delivered.
func (r *run) compare(c *comparer) (*Comparison, error) {
	outcome, err := OpenTrace(r.files[outcomeFile])
	if err != nil {
		return nil, err
	}
	arrivals, err := traces.NewSource(outcome, traces.SourceOptions{Seed: r.task.Scheduler.Seed})
	if err != nil {
		return nil, err
	}
	feed, err := NewFeed(func() (*traces.Reader, error) { return OpenTrace(r.files[traceFile]) }, r.task.Selection)
	if err != nil {
		return nil, err
	}
	original := &SimSource{Feed: feed, Seed: r.task.Scheduler.Seed, Keep: func(rec *traces.Record) bool { return unsendable(rec) == Sendable }}
	return c.compare(arrivals, original, func(sink *outcomes, pool *pkt.Pool) (porter, error) {
		return replay.NewPort(r.task.Ports, r.task.Scheduler, sink, pool)
	})
}

// Roles is what the processes of t's lab do.
func Roles(t *Task) netns.Roles {
	return netns.Roles{Capture: Capture(t), Source: Source(t), Sink: Sink(t)}
}
