package inject

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tuneThread prepares the calling thread, which must be locked, for keeping
// time: the kernel may not delay its timers to save wake-ups, and it stays on
// its processor.
func tuneThread(cpu int, pin bool) error {
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set timer slack: %w", err)
	}
	// Go ahead of other work, where that is allowed (root); no matter if not.
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, -20)
	if !pin {
		return nil
	}
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin to CPU %d: choose one that this process may use: %w", cpu, err)
	}
	return nil
}

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
func discarded() uint64 {
	return snmp4() + snmp6()
}

func snmp4() (sum uint64) {
	f, err := os.Open("/proc/thread-self/net/snmp")
	if err != nil {
		return 0
	}
	defer f.Close()
	var names []string
	for s := bufio.NewScanner(f); s.Scan(); {
		w := strings.Fields(s.Text())
		if len(w) == 0 || w[0] != "Ip:" {
			continue
		}
		if names == nil {
			names = w
			continue
		}
		for i, name := range names {
			switch name {
			case "InHdrErrors", "InAddrErrors", "InDiscards", "OutDiscards", "OutNoRoutes":
				n, _ := strconv.ParseUint(w[min(i, len(w)-1)], 10, 64)
				sum += n
			}
		}
		break
	}
	return sum
}

func snmp6() (sum uint64) {
	f, err := os.Open("/proc/thread-self/net/snmp6")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		w := strings.Fields(s.Text())
		if len(w) != 2 {
			continue
		}
		switch w[0] {
		case "Ip6InHdrErrors", "Ip6InAddrErrors", "Ip6InDiscards", "Ip6OutDiscards", "Ip6InNoRoutes", "Ip6OutNoRoutes":
			n, _ := strconv.ParseUint(w[1], 10, 64)
			sum += n
		}
	}
	return sum
}
