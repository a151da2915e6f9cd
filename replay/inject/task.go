package inject

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/thread"
	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/traces"
)

// Task is a live replay: what to send, and what to do with it. It travels to
// the lab's processes as JSON.
type Task struct {
	Selection Selection `json:"selection"`
	// Ports makes the port of Scheduler. It does not travel: each process says.
	Ports egress.Maker `json:"-"`
	// Scheduler is what decides, as the outcome's header will have it.
	Scheduler traces.Scheduler `json:"scheduler"`
	// Timer is how source and router wait for due times.
	Timer replay.Timer `json:"timer"`
	// CPUs are the processors of the source's and the router's loop, in this
	// order; one is for both, none leaves it to the kernel.
	CPUs []int `json:"cpus,omitempty"`
	// Nice and RT are the urgency of both loops, as in thread.Options; the zero
	// values ask for as much as is allowed.
	Nice int  `json:"nice,omitempty"`
	RT   bool `json:"rt,omitempty"`
	// BusyPoll is the router's, as in nfq.Config.
	BusyPoll time.Duration `json:"busy_poll_ns,omitempty"`
	// MaxLen is the kernel queue's limit in packets, RcvBuf its reader's
	// receive buffer in bytes; 0 is nfq's default.
	MaxLen int `json:"maxlen,omitempty"`
	RcvBuf int `json:"rcvbuf,omitempty"`
	// Drain is how long, after the last packet was sent, held ones may take.
	Drain time.Duration `json:"drain_ns"`
	// Tool and Comment are for the outcome's header.
	Tool    string `json:"tool,omitempty"`
	Comment string `json:"comment,omitempty"`
}

// CEMark is the firewall mark that a wire's rule turns into CE.
const CEMark = 1

// The files of a lab for a Task, in the order of netns.Stdio.Extra.
const (
	traceFile = iota
	outcomeFile
	sentFile
	arrivalsFile
	receivedFile
	copiesFile
	taskFiles
)

// OpenTrace opens the trace in f from its front, whatever f's offset, which
// other processes share.
func OpenTrace(f *os.File) (*traces.Reader, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open the trace: %w", err)
	}
	return traces.NewReader(io.NewSectionReader(f, 0, st.Size()))
}

// whole says whether the link needs all bytes of each packet, which then come one
// by one.
func (t *Task) whole() (bool, error) {
	l, err := t.Ports.Link(egress.Config{Link: t.Scheduler.Link, Seed: t.Scheduler.Seed})
	return err == nil && replay.Whole(l), err
}

// tune prepares the calling thread, which must be locked, for the loop of the
// i-th of source and router.
func (t *Task) tune(i int) error {
	if t.Nice == 0 {
		thread.Hurry()
	}
	return t.thread().Tune(i)
}

func (t *Task) thread() thread.Options {
	return thread.Options{CPUs: t.CPUs, Nice: t.Nice, RT: t.RT}
}

// Device is what a network device has counted while a lab ran.
type Device struct {
	RxPackets uint64 `json:"rx_packets"`
	TxPackets uint64 `json:"tx_packets"`
	Drops     uint64 `json:"drops"`
}

// SourceResult is the source's account beside its log.
type SourceResult struct {
	// StartNs is the CLOCK_MONOTONIC at which the first packet was due.
	StartNs int64 `json:"start_ns"`
	// Retries counts sends repeated because the kernel had no room.
	Retries uint64 `json:"retries"`
	// Damage says why the trace ended early, if it did.
	Damage string `json:"damage,omitempty"`
	Link   Device `json:"link"`
}

// RouterResult is the router's.
type RouterResult struct {
	Live replay.Result `json:"live"`
	// In and Out are the links to the source and to the sink.
	In  Device `json:"in"`
	Out Device `json:"out"`
	// MaxLen is the kernel queue's limit, in packets.
	MaxLen int `json:"maxlen"`
	// Discarded counts packets that the IP stack did not forward.
	Discarded uint64 `json:"discarded"`
	// Kernel is the kernel's account of the queue, where it can be read.
	Kernel *KernelQueue `json:"kernel,omitempty"`
	// Unwritten is set where the outcome could not be written to its end.
	Unwritten *Unwritten `json:"unwritten,omitempty"`
}

// Unwritten is a record.WriteError on its way between processes.
type Unwritten struct {
	Records uint64 `json:"records"`
	Err     string `json:"error"`
}

// KernelQueue is what only the host's root can read.
type KernelQueue struct {
	Full        uint64 `json:"full"`
	Undelivered uint64 `json:"undelivered"`
}

// SinkResult is the sink's.
type SinkResult struct {
	// Foreign frames were not of the replay.
	Foreign uint64 `json:"foreign"`
	// Missed frames did not fit the sink's ring.
	Missed uint64 `json:"missed"`
	Link   Device `json:"link"`
}

// monotonic turns an instant of c into CLOCK_MONOTONIC in ns.
func monotonic(c record.Clock) int64 { return c.Anchor().MonotonicNs + int64(c.Now()) }
