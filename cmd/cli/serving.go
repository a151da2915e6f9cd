package cli

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/thread"
)

// maxQueues is the most queues one recording serves: each has a thread.
const maxQueues = 64

// serving is how the loops serve their queues. It travels to the lab's router
// as JSON.
type serving struct {
	// Queues is how many there are.
	Queues int  `json:"queues,omitempty"`
	Fanout bool `json:"fanout,omitempty"`
	// BusyPoll is nfq's: below 0 is never.
	BusyPoll time.Duration  `json:"busy_poll_ns,omitempty"`
	Thread   thread.Options `json:"thread"`
}

// servingOptions are the flags of a serving, but for --cpu.
type servingOptions struct {
	busyPoll time.Duration
	asked    *pflag.Flag // --busy-poll
	nice     int
	rt       bool
}

func (o *servingOptions) flags(f *pflag.FlagSet, prefix string) {
	f.DurationVar(&o.busyPoll, "busy-poll", nfq.DefaultBusyPoll, prefix+"look for packets this long before sleeping, while they come that quickly; 0: sleep at once")
	o.asked = f.Lookup("busy-poll")
	f.IntVar(&o.nice, "nice", 0, prefix+"niceness of the threads that serve queues, -20 (urgent) to 19")
	f.BoolVar(&o.rt, "rt", false, prefix+"run those threads under SCHED_FIFO, and without --busy-poll unless it is given")
}

// serving is what the flags say. A thread under SCHED_FIFO that polls gives way
// to nobody, not even to whoever sends the next packet.
func (o *servingOptions) serving() (s serving, err error) {
	if o.busyPoll < 0 || o.busyPoll > nfq.MaxBusyPoll {
		return s, usageErrorf("--busy-poll %s: want 0 to %s", o.busyPoll, nfq.MaxBusyPoll)
	}
	if s.BusyPoll = o.busyPoll; o.busyPoll == 0 || o.rt && !o.asked.Changed {
		s.BusyPoll = -1
	}
	s.Thread = thread.Options{Nice: o.nice, RT: o.rt}
	if err := s.Thread.Validate(); err != nil {
		return s, usageErrorf("--nice: %w", err)
	}
	return s, nil
}

// queuesOptions are the flags of uq record about its queues.
type queuesOptions struct {
	servingOptions
	queues int
	fanout bool
	cpu    string
}

func (o *queuesOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.queues, "queues", 1, "spread packets over so many queues, a thread each, or one for all with --qdisc; the flows between two hosts stay in one")
	f.BoolVar(&o.fanout, "fanout", false, "with --queues: choose by the CPU that handles the packet, not by its addresses; needs a rule of uq's")
	f.StringVar(&o.cpu, "cpu", "", "CPUs to pin the threads that serve queues to, as 0,2-3")
	o.servingOptions.flags(f, "")
}

// validate makes the settings. ours says that uq installs the rule.
func (o *queuesOptions) validate(set *recordSettings, first uint16, ours bool) (err error) {
	if set.serving, err = o.serving(); err != nil {
		return err
	}
	last := 1<<16 - 1
	switch {
	case o.queues < 1 || o.queues > maxQueues:
		return usageErrorf("--queues %d: want 1 to %d", o.queues, maxQueues)
	case int(first)+o.queues-1 > last:
		return usageErrorf("--queues %d: from --queue %d on there are only %d", o.queues, first, last-int(first)+1)
	case o.fanout && o.queues == 1:
		return usageErrorf("--fanout needs --queues above 1")
	case o.fanout && !ours:
		return usageErrorf("--fanout needs --lab or --hook: without, a rule of yours chooses the queue (nft: queue flags fanout to %d-%d)", first, int(first)+o.queues-1)
	}
	set.Queues, set.Fanout = o.queues, o.fanout
	if o.cpu != "" {
		if set.Thread.CPUs, err = parseCPUs(o.cpu); err != nil {
			return usageErrorf("--cpu: %w", err)
		}
	}
	return nil
}

// parseCPUs reads a list of CPUs that this process may use.
func parseCPUs(s string) ([]int, error) {
	cpus, err := thread.ParseCPUs(s)
	if err != nil {
		return nil, err
	}
	return cpus, thread.Options{CPUs: cpus}.Try(len(cpus))
}

// bound is the queues of a recording, open.
type bound []*nfq.Queue

// openQueues binds the queues from conf's on: together, on one socket, or each on
// a socket of its own.
func openQueues(conf nfq.Config, n int, together bool) (qs bound, err error) {
	sockets := n
	if conf.Queues = 1; together {
		sockets, conf.Queues = 1, n
	}
	for range sockets {
		q, err := nfq.Open(conf)
		if err != nil {
			_ = qs.close()
			return nil, err
		}
		qs = append(qs, q)
		conf.Queue++
	}
	return qs, nil
}

func (qs bound) close() (err error) {
	for _, q := range qs {
		if cerr := q.Close(); err == nil {
			err = cerr
		}
	}
	return err
}
