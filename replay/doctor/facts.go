package doctor

// Options say how thoroughly to look.
type Options struct {
	// Quick leaves out what takes time: it measures nothing.
	Quick bool
	// Progress, if not nil, is told the name of each probe before it starts.
	Progress func(probe string)
}

// Facts is what the probes found; see [Gather].
type Facts struct {
	System
	// Quick leaves out what takes time.
	Quick bool
	// Root says that the caller's effective uid is 0.
	Root bool
	// Sysctls, as they read; empty where there are none or they cannot be read.
	Sysctl Sysctls

	UserNS   Tried[struct{}]
	NetNS    Tried[NetNS]
	Veth     Tried[struct{}]
	Shaper   Tried[struct{}]
	Bind     Tried[struct{}]
	Rule     Tried[Rule]
	Lab      Tried[struct{}]
	GSO      Tried[GSO]
	CapLen   Tried[CapLen]
	CE       Tried[CE]
	RcvBuf   Tried[RcvBuf]
	Counters Tried[struct{}]
	Host     Tried[struct{}]
	TUN      Tried[struct{}]
	Clock    Tried[Clock]
	Timers   Tried[[]Timer]
	Verdicts Tried[Verdicts]
	Rate     Tried[Rate]
}

// System is the machine.
type System struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Kernel string `json:"kernel,omitempty"`
	// CPUs are those that this process may use.
	CPUs int `json:"cpus"`
	// Governor is the first CPU's frequency governor, where there is one, and
	// GovernorDriver what it governs: the pstate ones mean something else by
	// powersave.
	Governor       string `json:"governor,omitempty"`
	GovernorDriver string `json:"governor_driver,omitempty"`
	UID            int    `json:"uid"`
	ClockSource    string `json:"clock_source,omitempty"`
}

// Sysctls are the settings that decide.
type Sysctls struct {
	AppArmorUserNS string // kernel.apparmor_restrict_unprivileged_userns
	UsernsClone    string // kernel.unprivileged_userns_clone (Debian)
	MaxUserNS      string // user.max_user_namespaces
	MaxNetNS       string // user.max_net_namespaces
	RmemMax        string // net.core.rmem_max
	Conntrack      string // net.netfilter.nf_conntrack_count
	ConntrackMax   string // net.netfilter.nf_conntrack_max
}

// Tried is the outcome of one probe; the zero value was not run.
type Tried[T any] struct {
	Done  bool   `json:"done"`
	Fault *Fault `json:"fault,omitempty"`
	Found T      `json:"found"`
}

func (t Tried[T]) ok() bool { return t.Done && t.Fault == nil }

// failed gives the fault, if any, of a probe that was run.
func (t Tried[T]) failed() *Fault {
	if !t.Done {
		return nil
	}
	return t.Fault
}

// Fault is why a probe did not succeed.
type Fault struct {
	Kind Kind   `json:"kind"`
	Text string `json:"text"` // one line
}

// Kind is what a fault means.
type Kind string

// The kinds.
const (
	Denied      Kind = "denied"      // EPERM, EACCES
	Full        Kind = "full"        // no more of them: ENOSPC, EUSERS
	Absent      Kind = "absent"      // this kernel has none
	TimedOut    Kind = "timed out"   // no answer within the probe's time
	OtherFailed Kind = "other error" // whatever Text says
)

// NetNS is how a network namespace was had.
type NetNS struct {
	// UserNS says that it took a user namespace: root needs none.
	UserNS bool `json:"user_namespace"`
}

// Rule is the form of a rule that queues.
type Rule struct {
	// Native is nft's queue statement, or else the xt NFQUEUE target.
	Native bool `json:"native"`
	// Owned tables go with the process that made them.
	Owned bool `json:"owned"`
}

// GSO is what came through a queue with the GSO flag.
type GSO struct {
	// Largest TCP packet over a link with an MTU of 1500, in bytes.
	Largest uint32 `json:"largest_bytes"`
}

// CapLen is one packet longer than the copy range.
type CapLen struct {
	Sent   uint32 `json:"sent_bytes"`   // with its headers
	Copied uint32 `json:"copied_bytes"` // of it
	Told   uint32 `json:"told_bytes"`   // its length, according to the queue
}

// CE is one packet marked by its verdict.
type CE struct {
	// ECN is the field it arrived with: 3 is CE.
	ECN uint8 `json:"ecn"`
}

// RcvBuf is the queue's socket buffer.
type RcvBuf struct {
	Asked   int `json:"asked_bytes"`
	Granted int `json:"granted_bytes"` // by the kernel's own count, which doubles
	// Sent packets met a queue that nobody read, and Held of them were there
	// afterwards. Without measurements both are 0.
	Sent int `json:"sent_packets,omitempty"`
	Held int `json:"held_packets,omitempty"`
}

// Clock is the cost of reading CLOCK_MONOTONIC.
type Clock struct {
	ReadNs int `json:"read_ns"`
}

// Timer is how late one way of waiting wakes up.
type Timer struct {
	Name  string `json:"timer"`
	Wakes int    `json:"wakes"`
	P50Ns int64  `json:"p50_ns"`
	P99Ns int64  `json:"p99_ns"`
	MaxNs int64  `json:"max_ns"`
}

// Verdicts is the cost of one verdict while Held packets wait.
type Verdicts struct {
	Held     int   `json:"held_packets"`
	OldestNs int64 `json:"oldest_first_ns"`
	NewestNs int64 `json:"newest_first_ns"`
}

// Rate is a short run of packets of Bytes bytes over loopback.
type Rate struct {
	Bytes   int `json:"packet_bytes"`
	Plain   int `json:"no_queue_pps"`
	Queued  int `json:"no_op_pps"`
	Missing int `json:"lost_packets"`
}
