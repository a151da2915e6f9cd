package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/replay/netns"
)

// tcpChunk is how much is written and read at once, in bytes.
const tcpChunk = 256 << 10

// warm is the part of a measurement before its window: a flow has to find its
// rate, a queue to fill.
func warm(d time.Duration) int64 { return int64(d) / 5 }

// dialServer connects a socket to a port of the server.
func dialServer(kind, port int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open a socket: %w", err)
	}
	// A flow that is stuck, or never begins, ends the measurement only.
	tv := unix.NsecToTimeval(int64(drainMax))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("limit the wait for the server: %w", err)
	}
	to := &unix.SockaddrInet4{Port: port, Addr: netns.LabAddresses().Server.As4()}
	for {
		err = unix.Connect(fd, to)
		if err == nil || !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil && !errors.Is(err, unix.EISCONN) {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("connect to the server: %w", err)
	}
	return fd, nil
}

// sendTCP sends one flow for d, by blocking calls.
func sendTCP(d time.Duration) (s sent, err error) {
	fd, err := dialServer(unix.SOCK_STREAM, tcpPort)
	if err != nil {
		return s, err
	}
	defer func() { _ = unix.Close(fd) }()
	buf := make([]byte, tcpChunk)
	begin := monotonic()
	for s.To = begin; s.To-begin < int64(d); s.To = monotonic() {
		if _, err := unix.Write(fd, buf); err != nil && err != unix.EINTR {
			return s, fmt.Errorf("send the flow: %w", err)
		}
	}
	s.From = begin + warm(d)
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return s, fmt.Errorf("ask for retransmits: %w", err)
	}
	s.Retransmits = uint64(info.Total_retrans)
	return s, nil
}

// flood is a socket that sends datagrams to the sink in batches, all the same.
type flood struct {
	fd   int
	buf  []byte
	iov  unix.Iovec
	msgs [udpBatch]mmsghdr
}

func newFlood() (*flood, error) {
	fd, err := dialServer(unix.SOCK_DGRAM, udpPort)
	if err != nil {
		return nil, err
	}
	f := &flood{fd: fd, buf: make([]byte, UDPPayload)}
	f.iov.Base = &f.buf[0]
	f.iov.SetLen(len(f.buf))
	for i := range f.msgs {
		f.msgs[i].hdr.Iov = &f.iov
		f.msgs[i].hdr.SetIovlen(1)
	}
	return f, nil
}

func (f *flood) close() { _ = unix.Close(f.fd) }

// send floods for d, with at most n datagrams.
func (f *flood) send(d time.Duration, n int) (s sent, err error) {
	begin := monotonic()
	for s.To = begin; s.To-begin < int64(d) && s.Count < uint64(n); s.To = monotonic() {
		batch := min(uint64(n)-s.Count, udpBatch)
		k, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(f.fd), uintptr(unsafe.Pointer(&f.msgs[0])), uintptr(batch), 0, 0, 0)
		switch errno {
		case 0:
			s.Count += uint64(k)
		case unix.EINTR, unix.ENOBUFS, unix.ECONNREFUSED:
		default:
			return s, fmt.Errorf("send the flood: %w", errno)
		}
	}
	s.From = begin + warm(d)
	return s, nil
}

// mark sends one datagram: the sink that gets it has got all before. Its length
// is the flood's number's, so that the mark of a flood before, which was late,
// ends no other.
func (f *flood) mark(number int) error {
	for {
		_, err := unix.Write(f.fd, f.buf[:markLen(number)])
		switch err {
		case nil:
			return nil
		case unix.EINTR, unix.ECONNREFUSED: // of an earlier datagram
		default:
			return fmt.Errorf("send the mark behind a flood: %w", err)
		}
	}
}

// markLen is the length of a flood's mark, less than udpLook.
func markLen(number int) int { return 1 + number%(udpLook-1) }

// udpErrors reads how many datagrams found a full receive buffer in this
// namespace.
func udpErrors() (uint64, error) {
	b, err := os.ReadFile("/proc/thread-self/net/snmp")
	if err != nil {
		return 0, fmt.Errorf("read UDP's counters: %w", err)
	}
	return parseUDPErrors(string(b))
}

// parseUDPErrors finds RcvbufErrors in the two lines "Udp:", of names and of
// values.
func parseUDPErrors(text string) (uint64, error) {
	var names []string
	for line := range strings.Lines(text) {
		w := strings.Fields(line)
		if len(w) == 0 || w[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = w
			continue
		}
		for i, n := range names {
			if n == "RcvbufErrors" && i < len(w) {
				return strconv.ParseUint(w[i], 10, 64)
			}
		}
	}
	return 0, errors.New("read UDP's counters: the kernel has no RcvbufErrors")
}

// noMetrics keeps TCP from remembering what it learned in flows before.
func noMetrics() error {
	const name = "/proc/sys/net/ipv4/tcp_no_metrics_save"
	if b, err := os.ReadFile(name); err == nil && bytes.HasPrefix(b, []byte("1")) {
		return nil
	}
	if err := os.WriteFile(name, []byte("1"), 0); err != nil {
		return fmt.Errorf("set sysctl: %w", err)
	}
	return nil
}
