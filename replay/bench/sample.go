package bench

import "github.com/uqtool/uq/record"

// Sample is one row measured once.
type Sample struct {
	Row   Row  `json:"row"`
	GSO   bool `json:"gso"`
	Round int  `json:"round"` // from 0
	// Err says why there are no numbers.
	Err   string `json:"error,omitempty"`
	Echo  Echo   `json:"echo"`
	TCP   TCP    `json:"tcp"`
	UDP   UDP    `json:"udp"`
	Burst Burst  `json:"burst"`
	// MarksLost counts datagrams that were to tell the end of a flood and came
	// too late or not at all: they are in no other count but Fed.
	MarksLost uint64 `json:"marks_lost"`
	// Fed is what the rule gave the queue in all three measurements.
	Fed     Fed      `json:"fed"`
	Program *Program `json:"program,omitempty"`
	// Kernel is the kernel's account of the queue, which only the host's root may
	// read.
	Kernel *Kernel `json:"kernel,omitempty"`
}

// Echo is what the round trips took, in nanoseconds.
type Echo struct {
	Sent uint64 `json:"sent"`
	Lost uint64 `json:"lost"`
	Min  int64  `json:"min_ns"`
	Avg  int64  `json:"avg_ns"`
	Max  int64  `json:"max_ns"`
	Mdev int64  `json:"mdev_ns"`
	P50  int64  `json:"p50_ns"`
	P99  int64  `json:"p99_ns"`
	// Tool is the mean that the user's ping gave, with --tools.
	Tool int64 `json:"tool_avg_ns,omitempty"`
}

// TCP is what one flow did.
type TCP struct {
	// Bps is what the receiver got, in bit/s of payload.
	Bps   uint64 `json:"bps"`
	Bytes uint64 `json:"bytes"`
	// Retransmits counts the sender's segments sent again.
	Retransmits uint64 `json:"retransmits"`
	// Fed is what the rule gave the queue: whole super-packets, however the
	// kernel cuts them then.
	Fed Fed `json:"fed"`
	// CPU is the program's, in nanoseconds.
	CPU int64 `json:"cpu_ns"`
	// Tool is the bit/s that the user's iperf3 gave, with --tools.
	Tool uint64 `json:"tool_bps,omitempty"`
}

// UDP is what became of the flood.
type UDP struct {
	// Pps is what the receiver's kernel got a second while the sender sent.
	Pps      uint64 `json:"pps"`
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
	// Missed reached the server, but found the receiver's buffer full.
	Missed uint64 `json:"missed"`
	Fed    Fed    `json:"fed"`
	// CPU is the program's from the first packet to the last, in nanoseconds.
	CPU int64 `json:"cpu_ns"`
}

// Burst is how fast the program empties its queue: it is halted while packets
// gather, then let go, and no sender takes CPU from it.
type Burst struct {
	Packets uint64 `json:"packets"`
	// TookNs is from letting it go until the last packet reached the server.
	TookNs int64 `json:"took_ns"`
}

// Pps is the rate in packets a second, 0 without any.
func (b *Burst) Pps() float64 {
	if b.TookNs <= 0 {
		return 0
	}
	return float64(b.Packets) * 1e9 / float64(b.TookNs)
}

// Arrived counts what came through the queue.
func (u *UDP) Arrived() uint64 { return u.Received + u.Missed }

// Loss is the part of the flood that did not arrive.
func (u *UDP) Loss() float64 {
	if u.Sent == 0 {
		return 0
	}
	return 1 - float64(u.Arrived())/float64(u.Sent)
}

// Fed is what the rule counted before the queue.
type Fed struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Kernel is what the kernel dropped before the program.
type Kernel struct {
	// Full packets found the queue full, Undelivered ones the program's receive
	// buffer.
	Full        uint64 `json:"full"`
	Undelivered uint64 `json:"undelivered"`
}

// Program is what a queue program tells of itself, over all of a cell.
type Program struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	// Missing packets never reached the program: its receive buffer was full.
	Missing uint64 `json:"missing"`
	// Overflows are the kernel's reports of that; a program that cannot tell
	// gaps has only those.
	Overflows uint64 `json:"overflows"`
	// Failed counts verdicts that the kernel refused or had no packet for.
	Failed uint64 `json:"failed"`
	// Unrecorded packets passed but are not in the trace.
	Unrecorded uint64 `json:"unrecorded"`
	// Go is what the runtime of a Go program did; nil for C.
	Go *GoRuntime `json:"go,omitempty"`
	// Lateness is from the due time of a verdict to when it was given, of Live.
	Lateness *record.Distribution `json:"release_lateness_ns,omitempty"`
}

// GoRuntime is what the runtime did from the binding of the queue until the
// program was told to end.
type GoRuntime struct {
	Mallocs uint64 `json:"mallocs"`
	// Flood are the Mallocs while UDP was measured: the queue and what is behind
	// it have found their sizes by then.
	Flood  uint64 `json:"mallocs_udp"`
	Cycles uint64 `json:"gc_cycles"`
	// PauseMax is the upper end of the runtime's bucket of the longest pause, in
	// nanoseconds.
	PauseMax int64 `json:"gc_pause_max_ns"`
}
