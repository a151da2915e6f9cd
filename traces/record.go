package traces

import (
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
)

// Record is one packet as the queue met it, and what became of it. Times are in
// nanoseconds since the trace's time zero (Header.Anchor).
type Record struct {
	// Time is when the capture loop received the packet; never before the
	// record's predecessor. A simulation begins at 0 and takes none before.
	Time pkt.Time
	// KernelTime is the kernel's own receive stamp (µs resolution) on the
	// trace's time line, or NoTime where there was none.
	KernelTime pkt.Time

	// Flow is the 5-tuple.
	Flow pkt.FlowKey
	// Len is the length at layer 3 in bytes, of the whole super-packet for GSO.
	Len uint32
	// Segs is how many packets it becomes on the wire; at least 1.
	Segs uint16
	// HdrLen is the length of IP and transport headers; the transport payload
	// is Len - HdrLen.
	HdrLen uint16
	// DSField is the TOS byte or traffic class.
	DSField uint8
	// Info holds the capture's remarks.
	Info Info
	// L4Flags are TCP's flags (9 bits, AE..FIN), or type<<8|code for ICMP and
	// ICMPv6, else 0.
	L4Flags uint16
	// Seq and Ack are TCP's; for an ICMP echo Seq is identifier<<16|sequence.
	Seq, Ack uint32

	// Mark is the firewall mark.
	Mark uint32
	// Path is where in the stack the packet was met.
	Path Path

	// Verdict is what became of the packet.
	Verdict Verdict
	// Reason says why it was dropped or marked.
	Reason pkt.Reason
	// VerdictTime is when the verdict was handed to the kernel, or NoTime.
	VerdictTime pkt.Time
	// Dequeued is when the scheduler let the packet go, and Due when its verdict
	// was due (dequeued plus link time); NoTime where no scheduler ran. For a
	// dropped packet both are the time of the drop.
	Dequeued, Due pkt.Time
}

// NoTime marks an absent instant.
const NoTime = pkt.Never

// Path is where a packet was met: the netfilter hook and the devices, as
// interface indexes (0 for none) that Header.Devices names.
type Path struct {
	Hook          uint8
	InDev, OutDev uint32
}

// Info is a set of remarks on how a packet was captured.
type Info uint16

// The remarks. Values are part of the format.
const (
	GSO             Info = 1 << 0 // super-packet, not segmented yet
	CsumNotReady    Info = 1 << 1 // checksum still to be filled in by the device
	CsumNotVerified Info = 1 << 2 // nobody checked the checksum
	Fragment        Info = 1 << 3 // IP fragment (offset > 0 or more fragments)
	Truncated       Info = 1 << 4 // headers reach beyond the copy range, or could not be read whole
	Undecoded       Info = 1 << 5 // not an IP packet we could read: length only
	SegsEstimated   Info = 1 << 6 // Segs computed from the MTU, not told by the kernel
	Gone            Info = 1 << 7 // no verdict reached it: the kernel had given it up, or none could be sent
	Copied          Info = 1 << 8 // the link made a copy of it, which has no record
	Corrupted       Info = 1 << 9 // the link changed a bit of it; never of its headers up to IP's
)

// Verdict is what became of a packet.
type Verdict uint8

// The verdicts. Values are part of the format.
const (
	NoVerdict Verdict = 0 // still held when the record was written
	Accept    Verdict = 1
	Drop      Verdict = 2
	MarkCE    Verdict = 3 // accepted with CE set
	Lost      Verdict = 4 // the kernel no longer had it (flush, device down)
)

// Event is something that happened to the queue rather than to a packet.
type Event struct {
	Time pkt.Time
	Kind EventKind
	// Count is how many packets (or records, for WriterOverrun) it cost; 0 when
	// that is not known.
	Count uint64
	// Text is for people: the error or the circumstances. May be empty.
	Text string
}

// EventKind classifies events. Values are part of the format.
type EventKind uint8

// The events.
const (
	IDGap         EventKind = 1 // packet ids missing: the kernel could not deliver them
	ENOBUFS       EventKind = 2 // the socket's receive buffer overflowed
	KernelFlush   EventKind = 3 // verdicts met ENOENT: the kernel gave up held packets
	QueueFull     EventKind = 4 // the kernel's queue limit was reached
	WriterOverrun EventKind = 5 // records, not packets, were dropped: the disk was too slow
	Note          EventKind = 6 // a remark: device changed, signal, ...
	Late          EventKind = 7 // verdicts later than the bound in Text
	Undecodable   EventKind = 8 // netlink messages that could not be parsed
)

// Header describes the whole trace. It is written first, as JSON, so that
// fields can be added in a minor version; readers ignore those they do not know.
type Header struct {
	// Version is "major.minor" of the format; set by the writer.
	Version string `json:"version"`
	// Tool is the program and version that wrote the trace.
	Tool string `json:"tool,omitempty"`
	// Comment is the user's.
	Comment string `json:"comment,omitempty"`

	Host   *Host   `json:"host,omitempty"`
	Anchor *Anchor `json:"anchor,omitempty"`
	// Capture says how packets were taken.
	Capture *Capture `json:"capture,omitempty"`
	Devices []Device `json:"devices,omitempty"`
	// Scenario is what stood around the queue: the lab's bottleneck and traffic.
	Scenario *Scenario `json:"scenario,omitempty"`
	// Scheduler is set when one decided the verdicts live.
	Scheduler *Scheduler `json:"scheduler,omitempty"`
	// LinkHeader is the link-layer header in bytes that a queue on this path
	// would account for on top of Len (14 for Ethernet).
	LinkHeader int `json:"link_header"`
	// NotCaptured lists in words what the trace does not hold: "payload", ...
	NotCaptured []string `json:"not_captured,omitempty"`
	// Anonymized names the method when addresses are not the real ones. Flow
	// hashes are others then, too: a Scheduler's decisions cannot be computed
	// again.
	Anonymized string `json:"anonymized,omitempty"`
	// Synthetic names the generator and its seed when no kernel was involved.
	Synthetic string `json:"synthetic,omitempty"`
}

// CheckLinkHeader says whether a queue can account for packets with the header's
// LinkHeader.
func (h Header) CheckLinkHeader() error { return checkLinkHeader(h.LinkHeader) }

func checkLinkHeader(n int) error {
	if n < 0 || n > MaxLinkHeader {
		return fmt.Errorf("%w: link_header %d in the header: want 0 to %d bytes", ErrUnusable, n, MaxLinkHeader)
	}
	return nil
}

// MaxLinkHeader bounds Header.LinkHeader, in bytes. No link layer comes near.
const MaxLinkHeader = 256

// Host is the machine.
type Host struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Kernel string `json:"kernel,omitempty"`
	CPUs   int    `json:"cpus,omitempty"`
}

// Anchor ties the trace's time zero to the machine's clocks, both read at once.
type Anchor struct {
	// MonotonicNs is CLOCK_MONOTONIC at time zero.
	MonotonicNs int64 `json:"monotonic_ns"`
	// Realtime is CLOCK_REALTIME at time zero, in nanoseconds since 1970.
	RealtimeNs int64 `json:"realtime_ns"`
}

// Capture says how packets were taken.
type Capture struct {
	Queue      uint16 `json:"queue"`
	Queues     int    `json:"queues,omitempty"` // how many, from Queue on, where more than one
	Mode       string `json:"mode"`             // "lab" or "host"
	Rule       string `json:"rule,omitempty"`   // the rule uq installed, in nft's words
	CopyRange  int    `json:"copy_range"`       // bytes of each packet seen
	MaxLen     int    `json:"maxlen"`           // kernel queue limit, packets
	GSO        bool   `json:"gso"`              // super-packets taken whole
	FailOpen   bool   `json:"fail_open,omitempty"`
	RcvBuf     int    `json:"rcvbuf,omitempty"`      // socket receive buffer, bytes
	SegmentMTU int    `json:"segment_mtu,omitempty"` // MTU that Segs were estimated with
	Direction  string `json:"direction,omitempty"`   // lab: "up" is client to server
}

// Device is a network device of the recording machine.
type Device struct {
	Index uint32 `json:"index"`
	Name  string `json:"name"`
	MTU   int    `json:"mtu,omitempty"`
}

// Scenario is the surroundings of a lab recording, in words a person can
// repeat.
type Scenario struct {
	Bottleneck string   `json:"bottleneck,omitempty"` // "rate 20mbit delay 20ms limit 200"
	Traffic    []string `json:"traffic,omitempty"`    // one line a source
	Command    string   `json:"command,omitempty"`    // what ran in the client namespace
}

// Scheduler is a live run's configuration: enough to compute its decisions
// again.
type Scheduler struct {
	Qdisc string `json:"qdisc"`
	Link  string `json:"link"`
	Seed  uint64 `json:"seed"`
	GSO   string `json:"gso"`
}

// End is the closing record. Its absence means the trace was cut.
type End struct {
	Records uint64 `json:"records"`
	Events  uint64 `json:"events"`
	// Lost counts packets by event kind name.
	Lost map[string]uint64 `json:"lost,omitempty"`
	// Duration is the time of the end on the trace's time line, in nanoseconds.
	DurationNs int64 `json:"duration_ns"`
	// Clean is false when the recording ended by an error.
	Clean bool `json:"clean"`
	// Why is the reason of the end: "interrupted", "command finished", an error.
	Why string `json:"why,omitempty"`
	// Scheduled is set when a scheduler decided the verdicts live.
	Scheduled *Scheduled `json:"scheduled,omitempty"`
}

// Scheduled closes the account of a live scheduler.
type Scheduled struct {
	// HorizonNs is until when it decided: packets undecided then were accepted
	// with reason shutdown.
	HorizonNs int64 `json:"horizon_ns"`
	// Digest is that of all arrivals and decisions in order (egress.Digest);
	// empty in an anonymized trace.
	Digest string `json:"digest"`
	// Untold packets have no verdict in the trace, although they got one: they
	// were held for so long that their records had to leave before.
	Untold uint64 `json:"untold,omitempty"`
}

// Fill sets q's lengths, DS field and transport fields from the record, as a
// queue would account for the packet on a link with a link-layer header of so
// many bytes: every segment of a super-packet has headers of its own.
func (r *Record) Fill(q *pkt.Packet, linkHeader int) {
	n := uint32(r.Segs)
	q.Len = r.Len + (n-1)*uint32(r.HdrLen) + n*uint32(linkHeader)
	q.L3Len, q.Segs, q.HdrLen, q.DSField = r.Len, r.Segs, r.HdrLen, r.DSField
	q.TCPFlags, q.Seq, q.Ack = r.L4Flags, r.Seq, r.Ack
}
