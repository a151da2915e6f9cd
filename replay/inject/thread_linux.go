package inject

import (
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// readDevice reads a device's counters. A device that is gone has none.
func readDevice(name string) Device {
	l, err := netlink.LinkByName(name)
	if err != nil || l.Attrs().Statistics == nil {
		return Device{}
	}
	s := l.Attrs().Statistics
	return Device{RxPackets: s.RxPackets, TxPackets: s.TxPackets, Drops: s.TxDropped + s.TxErrors + s.RxDropped + s.RxErrors}
}

// discarded adds up the IP stack's counters of packets that it did not forward.
func discarded() (sum uint64) {
	for _, file := range []string{"snmp", "netstat", "snmp6"} {
		b, err := os.ReadFile("/proc/thread-self/net/" + file)
		if err == nil {
			sum += addCounters(string(b))
		}
	}
	return sum
}

// addCounters adds up what was not forwarded in a file of /proc/net: names in
// one line and values in the next, or a name and a value each line.
func addCounters(text string) (sum uint64) {
	var names []string
	for line := range strings.Lines(text) {
		w := strings.Fields(line)
		switch {
		case len(w) == 2 && strings.HasPrefix(w[0], "Ip6"):
			sum += counter(strings.TrimPrefix(w[0], "Ip6"), w[1])
		case len(w) > 0 && (w[0] == "Ip:" || w[0] == "IpExt:"):
			if len(names) != len(w) || names[0] != w[0] {
				names = w
				continue
			}
			for i := 1; i < len(w); i++ {
				sum += counter(names[i], w[i])
			}
		}
	}
	return sum
}

// counter is the value of a counter that matters here.
func counter(name, value string) uint64 {
	switch name {
	case "InHdrErrors", "InAddrErrors", "InDiscards", "OutDiscards", "InNoRoutes", "OutNoRoutes":
		n, err := strconv.ParseUint(value, 10, 64)
		if err == nil {
			return n
		}
	}
	return 0
}

// DefaultCPUs are processors for two loops that poll: as far apart as there
// are, so that they share neither a CPU nor, mostly, a core. Where there is
// only one there are none.
func DefaultCPUs() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil || set.Count() < 2 {
		return nil
	}
	var cpus []int
	for i := range len(set) * strconv.IntSize {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return []int{cpus[0], cpus[len(cpus)-1]}
}
