package nfq

import (
	"errors"
	"time"
)

// The defaults and limits of a Config.
const (
	// DefaultCopyRange holds the headers of all but exotic packets.
	DefaultCopyRange = 128
	// DefaultMaxLen is the kernel queue's limit when none is given. It is above
	// fq_codel's, since packets held by a scheduler stay in the kernel's queue.
	DefaultMaxLen = 16384
	// TableSize is how many packets a queue takes, whatever its limit, where the
	// kernel keeps them in a table by their id: measured on Linux 6.18, give or
	// take a few. Older kernels have no such limit.
	TableSize = 1 << 16
	// DefaultRcvBuf is the socket receive buffer asked for, in bytes.
	DefaultRcvBuf = 8 << 20
	// MaxCopyRange is the kernel's limit of one message's payload, in bytes.
	MaxCopyRange = 65531
	// DefaultBusyPoll is how long to poll before sleeping when nothing is said:
	// what net.core.busy_poll recommends for sockets.
	DefaultBusyPoll = 50 * time.Microsecond
	// MaxBusyPoll is the longest that can be asked for.
	MaxBusyPoll = time.Second
	// BatchSize is the most packets one Receive returns.
	BatchSize = 64
)

// Errors that a caller may branch on, inside what Open returns.
var (
	// ErrBusy says that another program owns the queue number.
	ErrBusy = errors.New("queue is taken")
	// ErrPermission says that CAP_NET_ADMIN is missing.
	ErrPermission = errors.New("permission denied")
	// ErrUnsupported says that this system or kernel cannot do it.
	ErrUnsupported = errors.New("not supported")
)

// Config says which queue to open and how. Zero fields have defaults, except
// the booleans.
type Config struct {
	// Queue is the queue's number, as in the firewall rule.
	Queue uint16
	// Queues is how many queue numbers to bind, from Queue on; 0 means one.
	Queues int
	// CopyRange is how many bytes of each packet to see; 0 means
	// DefaultCopyRange. The rest never leaves the kernel.
	CopyRange int
	// MaxLen is the kernel's queue limit in packets; 0 means DefaultMaxLen. The
	// kernel drops what exceeds it.
	MaxLen int
	// GSO takes super-packets whole; without it the kernel segments them first.
	GSO bool
	// FailOpen makes the kernel accept, unseen, what does not fit the queue or
	// the receive buffer, where it would drop it.
	FailOpen bool
	// RcvBuf is the socket receive buffer to ask for, in bytes; 0 means
	// DefaultRcvBuf. The kernel doubles it and may limit it: see Queue.RcvBuf.
	RcvBuf int
	// BusyPoll is how long Receive looks for packets, giving way to whoever else
	// wants the processor, before it sleeps; 0 means DefaultBusyPoll, below 0
	// never. It does so while packets come closer together than that, so that
	// an idle queue costs nothing.
	BusyPoll time.Duration
}

// Packet is one packet in the queue. It holds no pointer but Payload.
type Packet struct {
	// ID names the packet in its verdict; ids count up by one.
	ID uint32
	// Queue is the number of the queue it came through, whose ids these are.
	Queue uint16
	// Len is the packet's true length from layer 3 up, in bytes.
	Len uint32
	// Mark is the firewall mark.
	Mark uint32
	// InDev and OutDev are interface indexes, 0 where there is none.
	InDev, OutDev uint32
	// Info holds the kernel's NFQA_SKB_* bits.
	Info SkbInfo
	// KernelTime is the kernel's receive stamp in nanoseconds since 1970, of
	// microsecond resolution, or 0 when there was none.
	KernelTime int64
	// Hook is the netfilter hook.
	Hook uint8
	// Damaged says that part of the message could not be read, so that headers may
	// be missing. The packet still wants a verdict.
	Damaged bool
	// Payload is the packet from layer 3 up, cut at the copy range. It is valid
	// until the next Receive.
	Payload []byte
}

// SkbInfo is the set of NFQA_SKB_* bits.
type SkbInfo uint32

// The bits, with their C names.
const (
	CsumNotReady    SkbInfo = 1 << 0 // NFQA_SKB_CSUMNOTREADY
	GSO             SkbInfo = 1 << 1 // NFQA_SKB_GSO
	CsumNotVerified SkbInfo = 1 << 2 // NFQA_SKB_CSUM_NOTVERIFIED
)

// Action is what a verdict does with a packet.
type Action uint8

// The actions, numbered as the kernel does.
const (
	Drop   Action = 0
	Accept Action = 1
)

// Verdict decides one packet, or, with UpTo, every packet up to ID.
type Verdict struct {
	ID uint32
	// Queue is the packet's. It matters only where several are bound.
	Queue  uint16
	Action Action
	// UpTo extends the verdict to all packets still held whose id is not after
	// ID. It takes no payload. The kernel complains only if there was none at
	// all, so packets lost on the way go unnoticed.
	UpTo bool
	// SetMark sets the firewall mark to Mark.
	SetMark bool
	Mark    uint32
	// Payload replaces the packet, from layer 3 up, unless nil. It must be the
	// whole packet, at most MaxCopyRange bytes.
	Payload []byte
}

// SendError says that verdicts could not be sent. Their packets stay in the
// kernel's queue, which drops them when it is closed.
type SendError struct {
	// Sent is how many verdicts, from the first on, went.
	Sent int
	Err  error
}

// Error implements error.
func (e *SendError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }

// Sent is how many of n verdicts went, according to the error of Send; none
// where that does not tell.
func Sent(n int, err error) int {
	if err == nil {
		return n
	}
	if se := (*SendError)(nil); errors.As(err, &se) {
		return min(se.Sent, n)
	}
	return 0
}

// Batch is what one Receive brought. Its slices belong to the queue and are
// valid until the next Receive.
type Batch struct {
	Packets []Packet
	// Gone lists packets whose verdicts came too late: the kernel had given
	// them up.
	Gone []Ref
	Loss Loss
}

// Ref names a packet.
type Ref struct {
	Queue uint16
	ID    uint32
}

// Loss counts what went missing. The zero value is what one hopes for.
type Loss struct {
	// Missing counts packet ids that never arrived: the receive buffer had no
	// room. They were dropped, or accepted unseen under FailOpen.
	Missing uint64
	// Overflows counts ENOBUFS reports. Each stands for at least one missing
	// packet, which a gap in the ids tells too.
	Overflows uint64
	// Gone counts verdicts for packets that the kernel no longer held.
	Gone uint64
	// Refused counts verdicts refused for another reason, or not even sent.
	Refused uint64
	// Unparsed counts messages that could not be read, wholly or in part.
	Unparsed uint64
}

// Any says whether anything went missing.
func (l Loss) Any() bool { return l != Loss{} }

// Add adds m to l.
func (l *Loss) Add(m Loss) {
	l.Missing += m.Missing
	l.Overflows += m.Overflows
	l.Gone += m.Gone
	l.Refused += m.Refused
	l.Unparsed += m.Unparsed
}

// Forever as a timeout waits until something happens.
const Forever time.Duration = -1

func (c Config) withDefaults() Config {
	if c.Queues == 0 {
		c.Queues = 1
	}
	if c.CopyRange == 0 {
		c.CopyRange = DefaultCopyRange
	}
	if c.MaxLen == 0 {
		c.MaxLen = DefaultMaxLen
	}
	if c.RcvBuf == 0 {
		c.RcvBuf = DefaultRcvBuf
	}
	if c.BusyPoll == 0 {
		c.BusyPoll = DefaultBusyPoll
	}
	return c
}
