// Package doctor finds out what a machine can do for uq and how to get the
// rest.
//
//	Gather ──► Facts ──► Judge ──► Report ──► words, JSON
//	  │                  (pure)
//	  └─ one process a probe, in a namespace of its own: lo, a queue, a rule
//
// Gathering tries the real thing: it binds queues, installs rules, sends packets
// and takes times. Each probe is a re-execution of the running program that
// lives for one question, so that one that fails, hangs or dies spoils no other
// and nothing is ever made in the caller's network namespace. The kernel takes
// all of it away with the process, even when uq itself is killed. The one probe
// that asks about the caller's own namespace sends a command that does nothing
// ([nfq.Permitted]).
//
// Judging turns facts into words and has no other input, so that every state of
// every check can be tested on any machine.
//
// A program that calls [Gather] must call [Hidden] and netns.Hidden first thing
// in main.
package doctor

import (
	"slices"

	"github.com/uqtool/uq/record/nfq"
)

var _ = nfq.Permitted // for the doc link above

// Format is the version of the JSON: raised when a key changes its meaning or
// goes; new keys and checks may appear at any time.
const Format = 1

// State is the outcome of a check.
type State string

// The states.
const (
	// OK works.
	OK State = "ok"
	// Warn works, but not as it could.
	Warn State = "warn"
	// Missing does not work here.
	Missing State = "missing"
	// Unknown could not be tried.
	Unknown State = "unknown"
)

// Group is what a check belongs to.
type Group string

// The groups, in the report's order.
const (
	Lab     Group = "lab"     // private lab
	Queue   Group = "queue"   // what the queue can do
	Host    Group = "host"    // outside the lab
	Machine Group = "machine" // clocks, processors, kernel
)

// Check is one line of a report.
type Check struct {
	// ID does not change between versions; Name is for people.
	ID    string `json:"id"`
	Name  string `json:"name"`
	Group Group  `json:"group"`
	State State  `json:"state"`
	// Needed says that uq record --lab or uq replay --live does not work without.
	Needed bool `json:"needed"`
	// Finding is what was found, and Fix, if any, what to do about it: one line
	// each.
	Finding string `json:"finding"`
	Fix     string `json:"fix,omitempty"`
	// Measured holds the figures, with their units in their names.
	Measured any `json:"measured,omitempty"`
}

// Report is what uq doctor tells.
type Report struct {
	Format int `json:"uq_format"`
	System
	// Can is what the checks mean for the user.
	Can Abilities `json:"can"`
	// Quick says that the measurements were left out.
	Quick  bool    `json:"quick"`
	Checks []Check `json:"checks"`
}

// Abilities is what works here.
type Abilities struct {
	// Simulate: uq sim, uq verify and uq trace.
	Simulate bool `json:"simulate"`
	// Lab: uq record --lab and uq replay --live.
	Lab bool `json:"lab"`
	// Host: uq record --hook and --queue as this user.
	Host bool `json:"record_on_host"`
}

// Lacking lists the names of what is needed and does not work; where nothing is
// known not to work, of what could not be tried.
func (r *Report) Lacking() []string {
	for _, s := range []State{Missing, Unknown} {
		var names []string
		for _, c := range r.Checks {
			if c.Needed && c.State == s {
				names = append(names, c.Name)
			}
		}
		if len(names) > 0 {
			return names
		}
	}
	return nil
}

// Judge turns facts into a report.
func Judge(f *Facts) *Report {
	r := &Report{Format: Format, System: f.System, Quick: f.Quick, Can: Abilities{Simulate: true}}
	if f.OS != "linux" {
		r.Checks = []Check{notLinux(f)}
		return r
	}
	r.Checks = slices.Concat(labChecks(f), queueChecks(f), hostChecks(f), machineChecks(f))
	r.Can.Lab = len(r.Lacking()) == 0
	r.Can.Host = f.Host.ok()
	return r
}

func notLinux(f *Facts) Check {
	return Check{
		ID: "linux", Name: "Linux", Group: Lab, State: Missing, Needed: true,
		Finding: "NFQUEUE is Linux's, and this is " + f.OS,
		Fix:     "run uq record and uq replay --live on Linux; uq sim, uq verify and uq trace work here",
	}
}
