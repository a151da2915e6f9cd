package sched_test

import (
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/fifo"
	"github.com/uqtool/uq/sim/tc"
)

// box has up to two schedulers inside and sends from the first.
type box struct {
	sched.Head
	in []sched.Inner
}

func (b *box) Kind() string          { return "box" }
func (b *box) Options() []tc.Field   { return nil }
func (b *box) Stats() []tc.Field     { return nil }
func (b *box) Inside() []sched.Inner { return b.in }
func newBox(words []string, env sched.Env) (sched.Scheduler, error) {
	if err := (tc.Options{}).Parse("box", words); err != nil {
		return nil, err
	}
	b := &box{}
	for i := range 2 {
		s, err := env.Child(i, "pfifo limit 7", nil)
		if err != nil {
			return nil, err
		}
		b.in = append(b.in, sched.Inner{ID: "1:1", Scheduler: s, Implied: i >= env.Children()})
	}
	b.Head = sched.NewHead(b.in[0].Scheduler)
	return b, nil
}

// shy is a FIFO that cannot be peeked at, takes super-packets apart and tells
// what environment it was made in.
type shy struct {
	sched.Named
	q   pkt.FIFO
	env sched.Env
}

func (s *shy) Enqueue(_ pkt.Time, p *pkt.Packet) { s.q.Push(p) }
func (s *shy) Dequeue(pkt.Time) *pkt.Packet      { return s.q.Pop() }
func (s *shy) Backlog() (int, int)               { return s.q.Len(), s.q.Bytes() }
func (s *shy) SplitsGSO() bool                   { return true }
func (s *shy) Room(int) int                      { return 20 }

// mute is a scheduler and no Describer.
type mute struct{ sched.Scheduler }

func kinds() sched.Kinds {
	return sched.Kinds{
		{Name: "pfifo", New: fifo.NewPackets},
		{Name: "bfifo", New: fifo.NewBytes},
		{Name: "box", Children: 2, New: newBox},
		{Name: "shy", New: func(_ []string, env sched.Env) (sched.Scheduler, error) {
			return &shy{Named: "shy", env: env}, nil
		}},
		{Name: "twice", New: fifo.NewPackets},
		{Name: "twice", New: fifo.NewBytes},
		{Name: "bare"},
		{Name: "mute", New: func([]string, sched.Env) (sched.Scheduler, error) { return mute{&shy{}}, nil }},
	}
}

// TestBrackets has how lines with schedulers inside are read, and printed again.
func TestBrackets(t *testing.T) {
	for _, c := range []struct{ spec, line, err string }{
		{spec: "box", line: "box"},
		{spec: " box [ pfifo   limit 3 ] ", line: "box [pfifo limit 3p]"},
		{spec: "box[pfifo][bfifo limit 3000]", line: "box [pfifo limit 1000p] [bfifo limit 3000b]"},
		{spec: "box [box [shy] [box]] [pfifo]", line: "box [box [shy] [box]] [pfifo limit 1000p]"},
		{spec: "", err: "empty qdisc: want one of pfifo, bfifo, box, shy, "},
		{spec: "box []", err: "empty qdisc"},
		{spec: "box [pfifo", err: "[ without ]"},
		{spec: "box pfifo]", err: "] without ["},
		{spec: "boxx", err: `did you mean "box"?`},
		{spec: "box [shi]", err: `did you mean "shy"?`},
		{spec: "shy [pfifo]", err: "no room for a qdisc inside: leave out [pfifo]"},
		{spec: "box [shy] [shy] [shy]", err: "takes 2 qdiscs inside, these are 3"},
		{spec: "box limit [shy]", err: `"limit"`},
		{spec: "netem delay 1ms", err: `unknown qdisc "netem": its words belong to the link`},
		{spec: "twice", err: `two qdiscs are named "twice"`},
		{spec: "box [twice]", err: `two qdiscs are named "twice"`},
		{spec: "mute", err: `"mute" does not say what it is: let sched_test.mute embed sched.Named("mute")`},
		{spec: "bare", err: `"bare" cannot be made`},
		{spec: strings.Repeat("box [", 4000), err: "want at most 16384"},
	} {
		s, err := kinds().New(c.spec, sched.Env{})
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%.40q: %v, want %q", c.spec, err, c.err)
			}
		case err != nil:
			t.Errorf("%q: %v", c.spec, err)
		case sched.Line(s) != c.line:
			t.Errorf("%q prints %q, want %q", c.spec, sched.Line(s), c.line)
		}
	}
}

// TestEnv: a child has a name, and with it a random stream, that says where it
// is; its device is Ethernet unless said otherwise.
func TestEnv(t *testing.T) {
	s, err := kinds().New("box [box [pfifo] [shy]] [shy]", sched.Env{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	in := s.(*box).in
	deep, flat := in[0].Scheduler.(*box).in[1].Scheduler.(*shy), in[1].Scheduler.(*shy)
	if deep.env.Name != "box/1:box/2:shy" || flat.env.Name != "box/2:shy" || deep.env.MTU != sched.EthernetMTU {
		t.Errorf("made in %+v and %+v", deep.env, flat.env)
	}
	if a, b := deep.env.Random().Uint64(), flat.env.Random().Uint64(); a == b {
		t.Errorf("both draw %d", a)
	}
	if a, b := deep.env.Random().Uint64(), deep.env.Random().Uint64(); a != b {
		t.Errorf("the same stream draws %d, then %d", a, b)
	}
}

// TestHead peeks at one scheduler that can be peeked at and one that cannot.
func TestHead(t *testing.T) {
	for _, spec := range []string{"pfifo", "shy"} {
		s, err := kinds().New(spec, sched.Env{})
		if err != nil {
			t.Fatal(err)
		}
		h := sched.NewHead(s)
		if h.Peek(0) != nil || h.Dequeue(0) != nil || h.NextWake() != pkt.Never {
			t.Errorf("%s: empty, and not", spec)
		}
		first, second := &pkt.Packet{ID: 1, Len: 100}, &pkt.Packet{ID: 2, Len: 50}
		h.Enqueue(0, first)
		for range 2 {
			if p := h.Peek(0); p != first {
				t.Errorf("%s: peeked at %v", spec, p)
			}
		}
		h.Enqueue(0, second)
		if n, bytes := h.Backlog(); n != 2 || bytes != 150 {
			t.Errorf("%s: backlog of %d packets, %d bytes", spec, n, bytes)
		}
		if a, b, c := h.Dequeue(0), h.Dequeue(0), h.Dequeue(0); a != first || b != second || c != nil {
			t.Errorf("%s: dequeued %v, %v, %v", spec, a, b, c)
		}
	}
}

// TestRoom has how many packets of at least 100 bytes schedulers hold; a parent
// holds one more than a child that cannot be peeked at.
func TestRoom(t *testing.T) {
	for spec, want := range map[string]int{
		"pfifo limit 5": 5, "bfifo limit 5000": 50, "bfifo limit 99": 0, "box": 7, "box [bfifo limit 300]": 3, "shy": 20, "box [shy]": 21,
	} {
		s, err := kinds().New(spec, sched.Env{})
		if err != nil {
			t.Fatal(err)
		}
		if got := sched.Room(s, 100); got != want {
			t.Errorf("%s has room for %d, want %d", spec, got, want)
		}
	}
}

// TestSplits looks for what takes super-packets apart at any depth.
func TestSplits(t *testing.T) {
	for spec, want := range map[string]bool{"pfifo": false, "box": false, "shy": true, "box [pfifo] [shy]": true, "box [box [pfifo] [shy]]": true} {
		s, err := kinds().New(spec, sched.Env{})
		if err != nil {
			t.Fatal(err)
		}
		if got := sched.Splits(s); got != want {
			t.Errorf("%s: %v", spec, got)
		}
	}
}
