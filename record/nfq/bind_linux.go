package nfq

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bindTimeout is how long the kernel may take to answer; it answers within the
// call unless a module must be loaded.
const bindTimeout = 10 * time.Second

// bind sends the configuration and waits for the answer. Packets that arrive
// before it are kept for the first Receives.
func (q *Queue) bind(c Config) error {
	q.seq++
	errno, err := q.ask(appendBind(nil, c, q.seq), q.seq)
	if err != nil {
		return fmt.Errorf("open queue %d: %w", q.num, err)
	}
	if errno == unix.EPERM && q.mayConfigure() {
		errno = unix.EBUSY
	}
	return bindError(c, errno)
}

// mayConfigure tells whether an EPERM means that the queue has another owner:
// a command that does nothing is refused only for want of CAP_NET_ADMIN.
func (q *Queue) mayConfigure() bool {
	q.seq++
	errno, err := q.ask(appendProbe(nil, q.seq), q.seq)
	return err == nil && errno == 0
}

// ask sends one configuration message and returns the kernel's answer to it.
func (q *Queue) ask(msg []byte, seq uint32) (unix.Errno, error) {
	if err := q.sock.send(msg); err != nil {
		return 0, fmt.Errorf("send configuration: %w", err)
	}
	for end := time.Now().Add(bindTimeout); time.Now().Before(end); {
		q.in.reset()
		n, errno := q.sock.recv()
		switch errno {
		case 0, unix.EINTR, unix.ENOBUFS: // what ENOBUFS stands for shows as a gap
		case unix.EAGAIN:
			if errno := q.sock.sleep(q.sock.fd, q.wake, max(time.Until(end), 0)); errno != 0 && errno != unix.EINTR {
				return 0, fmt.Errorf("wait for the kernel's answer: %w", errno)
			}
			continue
		default:
			return 0, fmt.Errorf("read the kernel's answer: %w", errno)
		}
		q.sock.each(n, &q.in)
		q.keepEarly()
		for _, a := range q.in.answers {
			if a.seq == seq {
				return unix.Errno(a.errno), nil
			}
		}
	}
	return 0, fmt.Errorf("wait for the kernel's answer: none within %v", bindTimeout)
}

// keepEarly copies packets that came before the answer.
func (q *Queue) keepEarly() {
	q.earlyLoss.Add(q.in.loss)
	for _, p := range q.in.packets {
		p.Payload = append([]byte(nil), p.Payload...)
		q.early = append(q.early, p)
	}
}

// openError explains why there is no netlink socket.
func openError(queue uint16, err error) error {
	if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT) {
		return fmt.Errorf("open queue %d: %w by this kernel: netfilter netlink is missing (CONFIG_NETFILTER_NETLINK)", queue, ErrUnsupported)
	}
	return fmt.Errorf("open queue %d: open netlink socket: %w", queue, err)
}

// bindError turns the kernel's answer into a sentence with the way out.
func bindError(c Config, errno unix.Errno) error {
	switch errno {
	case 0:
		return nil
	case unix.EBUSY:
		return fmt.Errorf("open queue %d: %w by %s: stop it, or choose another queue number", c.Queue, ErrBusy, owner(c.Queue))
	case unix.EPERM:
		return fmt.Errorf("open queue %d: %w: binding needs CAP_NET_ADMIN: run as root, or in a network namespace of your own", c.Queue, ErrPermission)
	case unix.EINVAL, unix.ENOENT:
		return fmt.Errorf("open queue %d: %w by this kernel (%v): load the module nfnetlink_queue, or build it with CONFIG_NETFILTER_NETLINK_QUEUE", c.Queue, ErrUnsupported, errno)
	case unix.EOPNOTSUPP, unix.ENOPROTOOPT:
		return fmt.Errorf("open queue %d: %w by this kernel (%v): it knows no GSO or fail-open queues (Linux 3.10): turn both off", c.Queue, ErrUnsupported, errno)
	case unix.ENOMEM:
		return fmt.Errorf("open queue %d: the kernel is out of memory: %w", c.Queue, errno)
	}
	return fmt.Errorf("open queue %d: bind: %w", c.Queue, errno)
}

// owner describes who has the queue, as far as this process may know.
func owner(queue uint16) string {
	st, err := ReadKernelState(queue)
	if err != nil {
		return "another program"
	}
	id := strconv.FormatUint(uint64(st.PortID), 10)
	// The first netlink socket of a process has its process id as port id.
	name, err := os.ReadFile("/proc/" + id + "/comm")
	if err != nil {
		return "another program (netlink port " + id + ")"
	}
	return "another program (netlink port " + id + ", probably " + strings.TrimSpace(string(name)) + ")"
}
