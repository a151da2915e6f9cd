// Package builtin is the one list of schedulers uq knows by name.
package builtin

import (
	"fmt"
	"strings"

	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/codel"
	"github.com/uqtool/uq/sim/sched/fifo"
	"github.com/uqtool/uq/sim/sched/fqcodel"
	"github.com/uqtool/uq/sim/tc"
)

// MTU is the device MTU with its Ethernet header that schedulers assume, as
// Linux's psched_mtu, in bytes.
const MTU = 1514

// Kind is one entry of the list.
type Kind struct {
	// Name is tc's.
	Name string
	// Summary is one line of help.
	Summary string
	// New parses the words after the name.
	New func(words []string, drop sched.DropFunc) (sched.Scheduler, error)
}

// Kinds lists the schedulers in the order help shows them.
func Kinds() []Kind {
	return []Kind{
		{"pfifo", "one queue, tail drop, limit in packets", func(w []string, d sched.DropFunc) (sched.Scheduler, error) {
			return fifo.NewPackets(w, d)
		}},
		{"bfifo", "one queue, tail drop, limit in bytes", func(w []string, d sched.DropFunc) (sched.Scheduler, error) {
			return fifo.NewBytes(w, MTU, d)
		}},
		{"codel", "one queue under CoDel (RFC 8289)", func(w []string, d sched.DropFunc) (sched.Scheduler, error) {
			return codel.New(w, MTU, d)
		}},
		{"fq_codel", "flow queueing with CoDel (RFC 8290)", func(w []string, d sched.DropFunc) (sched.Scheduler, error) {
			return fqcodel.New(w, MTU, d)
		}},
	}
}

// New makes the scheduler a tc fragment describes: "fq_codel limit 1000".
func New(spec string, drop sched.DropFunc) (sched.Scheduler, error) {
	words := strings.Fields(spec)
	if len(words) == 0 {
		return nil, fmt.Errorf("empty qdisc: want one of %s", strings.Join(names(), ", "))
	}
	for _, k := range Kinds() {
		if k.Name == words[0] {
			return k.New(words[1:], drop)
		}
	}
	hint := ""
	if n := tc.Nearest(words[0], names()); n != "" {
		hint = fmt.Sprintf("did you mean %q? ", n)
	}
	return nil, fmt.Errorf("unknown qdisc %q: %sknown are %s", words[0], hint, strings.Join(names(), ", "))
}

func names() []string {
	var ns []string
	for _, k := range Kinds() {
		ns = append(ns, k.Name)
	}
	return ns
}
