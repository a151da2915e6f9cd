package traffic

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// control runs f on the socket's descriptor.
func control(c syscall.Conn, f func(fd int) error) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := rc.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// setCongestion chooses a flow's congestion control. Unlike the sysctl this
// may choose any loaded one: the lab's root is an administrator of its network.
func setCongestion(c *net.TCPConn, name string) error {
	return control(c, func(fd int) error {
		return unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
	})
}

// CheckCongestion finds a congestion control that the kernel has not, and
// cannot load; empty is the kernel's default.
func CheckCongestion(name string) error {
	if name == "" {
		return nil
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	defer unix.Close(fd)
	err = unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
	if err == nil || errors.Is(err, unix.EPERM) { // the lab's root may
		return nil
	}
	list, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
	return fmt.Errorf("this kernel does not have it; it has: %s", strings.TrimSpace(string(list)))
}

// bytesAcked is how much of the flow's payload has arrived.
func bytesAcked(c *net.TCPConn) (n uint64, note string) {
	err := control(c, func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			n = info.Bytes_acked
		}
		return err
	})
	if err != nil {
		return 0, "bytes written, not acknowledged"
	}
	return n, ""
}

// setSegment makes the kernel cut what is written into datagrams of n bytes;
// 0 turns that off.
func setSegment(c *net.UDPConn, n int) error {
	return control(c, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, n)
	})
}

// nap blocks the thread for d, whatever signals the runtime gets meanwhile.
func nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	for errors.Is(unix.Nanosleep(&ts, &ts), unix.EINTR) {
	}
}
