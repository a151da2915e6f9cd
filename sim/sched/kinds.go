package sched

import (
	"fmt"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/tc"
)

// Env is what a run gives the scheduler it makes.
type Env struct {
	// Drop receives the packets the scheduler gives up. It may be nil where a
	// scheduler is made only to check its words.
	Drop DropFunc
	// MTU is the device's with its Ethernet header, as Linux's psched_mtu, in
	// bytes.
	MTU int
	// Seed is the run's, Name the scheduler's place in it: "fq_codel", or
	// "prio/1:red" for a child. Random draws from both.
	Seed uint64
	Name string

	// Stations is how many stations the link reaches, 0 where it is none that
	// knows stations; Station is the one a packet is for, or link.Group.
	Stations int
	Station  func(*pkt.Packet) int
	// Airtime and Weight are link.Cell's; nil where the link is none.
	Airtime func(station, bytes int) time.Duration
	Weight  func(station int) int

	kinds    Kinds
	children []string
}

// EthernetMTU is Env.MTU for Ethernet's 1500 bytes.
const EthernetMTU = 1514

// Random is the scheduler's own random stream.
func (e *Env) Random() *random.Rand { return random.Stream(e.Seed, "sched/"+e.Name) }

// Children is how many schedulers the words name in brackets.
func (e *Env) Children() int { return len(e.children) }

// Child makes the i-th of them, or what otherwise says where there is none. It
// drops to drop; nil means to the parent's Drop.
func (e *Env) Child(i int, otherwise string, drop DropFunc) (Scheduler, error) {
	return e.ChildFrom(i, i, otherwise, drop)
}

// ChildFrom makes the scheduler of class i from the bracket-th of them, for
// parents whose brackets may stand for several classes.
func (e *Env) ChildFrom(i, bracket int, otherwise string, drop DropFunc) (Scheduler, error) {
	spec := otherwise
	if bracket >= 0 && bracket < len(e.children) {
		spec = e.children[bracket]
	}
	env := *e
	if drop != nil {
		env.Drop = drop
	}
	env.Name = fmt.Sprintf("%s/%d:", e.Name, i+1)
	return e.kinds.New(spec, env)
}

// Kind is one entry of a list of schedulers.
type Kind struct {
	// Name is tc's.
	Name string
	// Summary is one line of help.
	Summary string
	// Children is the most schedulers it may have inside; 0 for most kinds.
	Children int
	// New makes one from the words after the name. Its errors name the word.
	New func(words []string, env Env) (Scheduler, error)
}

// Kinds is a list of schedulers in the order help shows them. To add one of
// your own, append to the list you pass on.
type Kinds []Kind

// New makes the scheduler that a tc fragment describes, "fq_codel limit 1000".
// A scheduler inside another one stands in brackets: "tbf rate 20mbit burst
// 10kb latency 50ms [fq_codel]", "prio [pfifo limit 10] [fq_codel] [sfq]".
func (k Kinds) New(spec string, env Env) (Scheduler, error) {
	words, children, err := split(spec)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("empty qdisc: want one of %s", strings.Join(k.Names(), ", "))
	}
	kind, ok := k.Find(words[0])
	if !ok {
		hint := ""
		if words[0] == "netem" {
			hint = "its words belong to the link, behind its rate: \"rate 20mbit delay 10ms\"; "
		} else if n := tc.Nearest(words[0], k.Names()); n != "" {
			hint = fmt.Sprintf("did you mean %q? ", n)
		}
		return nil, fmt.Errorf("unknown qdisc %q: %sknown are %s", words[0], hint, strings.Join(k.Names(), ", "))
	}
	switch {
	case k.count(kind.Name) > 1:
		return nil, fmt.Errorf("two qdiscs are named %q: give the one of your own another name", kind.Name)
	case kind.New == nil:
		return nil, fmt.Errorf("qdisc %q cannot be made: its Kind has no New", kind.Name)
	case len(children) > 0 && kind.Children == 0:
		return nil, fmt.Errorf("%s has no room for a qdisc inside: leave out [%s]", kind.Name, children[0])
	case len(children) > kind.Children:
		return nil, fmt.Errorf("%s takes %d qdiscs inside, these are %d", kind.Name, kind.Children, len(children))
	}
	if env.MTU == 0 {
		env.MTU = EthernetMTU
	}
	env.Name += kind.Name
	env.kinds, env.children = k, children
	s, err := kind.New(words[1:], env)
	if err != nil {
		return nil, err
	}
	if _, ok := s.(Describer); !ok { // a report would have no name for it
		return nil, fmt.Errorf("qdisc %q does not say what it is: let %T embed sched.Named(%q), or implement sched.Describer", kind.Name, s, kind.Name)
	}
	return s, nil
}

// Find looks a kind up by name.
func (k Kinds) Find(name string) (Kind, bool) {
	for _, kind := range k {
		if kind.Name == name {
			return kind, true
		}
	}
	return Kind{}, false
}

// count is how many kinds have the name.
func (k Kinds) count(name string) (n int) {
	for i := range k {
		if k[i].Name == name {
			n++
		}
	}
	return n
}

// Names are the kinds' names.
func (k Kinds) Names() []string {
	ns := make([]string, len(k))
	for i := range k {
		ns[i] = k[i].Name
	}
	return ns
}

// maxSpec bounds a line of words, so that brackets do not nest without end.
const maxSpec = 16 << 10

// split takes a line apart into its words and the bracketed lines inside it.
func split(spec string) (words, children []string, err error) {
	if len(spec) > maxSpec {
		return nil, nil, fmt.Errorf("qdisc of %d bytes: want at most %d", len(spec), maxSpec)
	}
	depth, from := 0, 0
	var plain strings.Builder
	for i := range len(spec) {
		switch c := spec[i]; {
		case c == '[':
			if depth++; depth == 1 {
				from = i + 1
			}
		case c == ']':
			if depth--; depth < 0 {
				return nil, nil, fmt.Errorf("%q: ] without [", spec)
			}
			if depth == 0 {
				children = append(children, strings.TrimSpace(spec[from:i]))
				plain.WriteByte(' ')
			}
		case depth == 0:
			plain.WriteByte(c)
		}
	}
	if depth > 0 {
		return nil, nil, fmt.Errorf("%q: [ without ]", spec)
	}
	return strings.Fields(plain.String()), children, nil
}

// Inner is a scheduler inside another.
type Inner struct {
	// ID is tc's class, "1:2".
	ID string
	// Scheduler is what serves the class.
	Scheduler Scheduler
	// Stats are the class's own counters, with tc's keys.
	Stats []tc.Field
	// Implied leaves the scheduler out of the line: it is what the words give
	// without being said.
	Implied bool
}

// Classful is implemented by schedulers with others inside.
type Classful interface {
	// Inside lists them in the order of the brackets.
	Inside() []Inner
}

// Tinned is implemented by schedulers that count by tin, as CAKE does.
type Tinned interface {
	// Tins lists each tin's counters with the keys of "tc -s -j qdisc".
	Tins() [][]tc.Field
}

// Splitter is implemented by schedulers that take GSO super-packets apart
// before they queue them. A simulation does that for them; a live queue cannot.
type Splitter interface {
	SplitsGSO() bool
}

// Splits reports whether s, or a scheduler inside it, takes super-packets apart.
func Splits(s Scheduler) bool {
	if sp, ok := s.(Splitter); ok && sp.SplitsGSO() {
		return true
	}
	if c, ok := s.(Classful); ok {
		for _, in := range c.Inside() {
			if Splits(in.Scheduler) {
				return true
			}
		}
	}
	return false
}

// Line prints s as Kinds.New reads it: tc's line, and in brackets the schedulers
// inside.
func Line(s Scheduler) string {
	d, ok := s.(Describer)
	if !ok {
		return fmt.Sprintf("%T", s)
	}
	line := tc.Line(d.Kind(), d.Options())
	if c, ok := s.(Classful); ok {
		for _, in := range c.Inside() {
			if !in.Implied {
				line += " [" + Line(in.Scheduler) + "]"
			}
		}
	}
	return line
}
