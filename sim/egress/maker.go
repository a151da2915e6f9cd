package egress

import (
	"slices"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/link/builtin"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// Config is a port in words, as tc writes them.
type Config struct {
	// Qdisc is "fq_codel target 5ms", Link "rate 20mbit delay 10ms".
	Qdisc, Link string
	// Seed keys the flow hash and all randomness.
	Seed uint64
}

// Maker makes ports from words. Whoever lets a user choose a scheduler has one;
// it is where a program adds its own.
type Maker struct {
	// Qdiscs are the schedulers to choose from.
	Qdiscs sched.Kinds
	// Links are the links to choose from; nil are the built-in ones.
	Links link.Kinds
	// ReadFile reads a file that a link's words name; nil allows none.
	ReadFile func(name string) ([]byte, error)
}

// Port makes the port that c describes.
func (m Maker) Port(c Config, sink Sink, pool *pkt.Pool) (*Port, error) {
	l, err := m.Link(c)
	if err != nil {
		return nil, err
	}
	return New(func(d sched.DropFunc) (sched.Scheduler, error) {
		env := sched.Env{Drop: d, Seed: c.Seed}
		if s, ok := l.(link.Stationed); ok {
			env.Stations, env.Station = s.Stations(), s.Station
		}
		if c, ok := l.(link.Cell); ok {
			env.Airtime, env.Weight = c.Airtime, c.Weight
		}
		return m.Qdiscs.New(c.Qdisc, env)
	}, l, sink, pool)
}

// CheckQdisc says what is wrong with the words of a scheduler, if anything is.
func (m Maker) CheckQdisc(spec string) error {
	_, err := m.Qdiscs.New(spec, sched.Env{})
	return err
}

// Link makes the link that c describes.
func (m Maker) Link(c Config) (link.Link, error) {
	return m.LinkKinds().New(c.Link, link.Env{Seed: c.Seed, ReadFile: m.ReadFile})
}

// LinkKinds lists the links to choose from. The list is the caller's.
func (m Maker) LinkKinds() link.Kinds {
	if m.Links == nil {
		return builtin.Kinds()
	}
	return slices.Clone(m.Links)
}
