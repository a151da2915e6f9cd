package nfq

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// KernelState is the kernel's own account of a queue: a line of
// /proc/net/netfilter/nfnetlink_queue.
type KernelState struct {
	Queue  uint16
	PortID uint32 // of the owner's netlink socket
	// Waiting is how many packets have no verdict yet.
	Waiting uint32
	// Full counts packets dropped because the queue was full. They have no id,
	// so no other count shows them.
	Full uint64
	// Undelivered counts packets that did not fit the owner's receive buffer.
	Undelivered uint64
	// LastID is the id of the newest packet.
	LastID uint32
}

const kernelStateFile = "/proc/self/net/netfilter/nfnetlink_queue"

// ReadKernelState reads the account of one queue. Only the host's root may: in
// a user namespace it fails with fs.ErrPermission. A queue that nobody has
// bound gives fs.ErrNotExist.
func ReadKernelState(queue uint16) (KernelState, error) {
	b, err := os.ReadFile(kernelStateFile)
	if err != nil {
		return KernelState{}, fmt.Errorf("read state of queue %d: %w", queue, err)
	}
	for line := range strings.Lines(string(b)) {
		st, err := parseKernelState(line)
		if err != nil {
			return KernelState{}, fmt.Errorf("read state of queue %d: %w", queue, err)
		}
		if st.Queue == queue {
			return st, nil
		}
	}
	return KernelState{}, fmt.Errorf("read state of queue %d: %w", queue, fs.ErrNotExist)
}

// ReadKernelStates adds up the accounts of n queues from number first on. Queue,
// PortID and LastID are the first one's.
func ReadKernelStates(first uint16, n int) (KernelState, error) {
	sum, err := ReadKernelState(first)
	for i := 1; i < n && err == nil; i++ {
		var st KernelState
		st, err = ReadKernelState(first + uint16(i))
		sum.Waiting += st.Waiting
		sum.Full += st.Full
		sum.Undelivered += st.Undelivered
	}
	return sum, err
}

// parseKernelState reads the columns: queue, port id, waiting, copy mode, copy
// range, dropped (full), dropped (undelivered), id sequence, 1.
func parseKernelState(line string) (KernelState, error) {
	f := strings.Fields(line)
	if len(f) < 8 {
		return KernelState{}, errors.New("too few columns")
	}
	var v [8]uint64
	for i := range v {
		var err error
		if v[i], err = strconv.ParseUint(f[i], 10, 32); err != nil {
			return KernelState{}, fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return KernelState{
		Queue:       uint16(v[0]),
		PortID:      uint32(v[1]),
		Waiting:     uint32(v[2]),
		Full:        v[5],
		Undelivered: v[6],
		LastID:      uint32(v[7]),
	}, nil
}
