package nfq

import (
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"github.com/florianl/go-nfqueue/v2"
	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr (sys/socket.h).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// socket is a netlink socket read by recvmmsg into memory allocated once.
//
// Its calls go past the Go runtime (RawSyscall). The runtime takes notice of
// every other call, and wakes up its monitor thread at the end of one when it
// had nothing else to do: two more thread switches for a lone packet, and more
// processor time than the packet itself. Calls that do not block need no notice;
// those that do are in wait.
type socket struct {
	fd   int
	bufs []byte // BatchSize buffers of size bytes
	size int
	iovs []unix.Iovec
	msgs []mmsghdr
	waiter
}

// metaRoom is for everything in a message but the packet: some 200 bytes, more
// with the link-layer header of a bridge.
const metaRoom = 512

func newSocket(c Config) (*socket, error) {
	fd, err := openFD(c)
	if err != nil {
		return nil, openError(c.Queue, err)
	}
	s := &socket{fd: fd, size: align4(c.CopyRange) + metaRoom, waiter: newWaiter(c.BusyPoll)}
	s.bufs = make([]byte, BatchSize*s.size)
	s.iovs = make([]unix.Iovec, BatchSize)
	s.msgs = make([]mmsghdr, BatchSize)
	for i := range s.msgs {
		s.iovs[i].Base = &s.bufs[i*s.size]
		s.iovs[i].SetLen(s.size)
		s.msgs[i].hdr.Iov = &s.iovs[i]
		s.msgs[i].hdr.SetIovlen(1)
	}
	// Errors need not repeat the request they are about, but for its queue.
	if c.Queues == 1 {
		_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	}
	if err := s.blocks(); err != nil {
		_ = s.close()
		return nil, fmt.Errorf("open queue %d: %w", c.Queue, err)
	}
	// Connected to the kernel, the socket takes no messages from programs.
	if err := unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		_ = s.close()
		return nil, fmt.Errorf("open queue %d: connect to the kernel: %w", c.Queue, err)
	}
	return s, nil
}

// openFD lets go-nfqueue open the socket and takes over a duplicate of its
// descriptor. Closing the original takes it out of the Go runtime's poller,
// which would otherwise wake up for every packet.
func openFD(c Config) (int, error) {
	nf, err := nfqueue.Open(&nfqueue.Config{
		NfQueue:      c.Queue,
		MaxQueueLen:  uint32(c.MaxLen),
		MaxPacketLen: uint32(c.CopyRange),
		Copymode:     nfqueue.NfQnlCopyPacket,
		AfFamily:     unix.AF_UNSPEC,
		Flags:        c.flags(),
	})
	if err != nil {
		return -1, err
	}
	defer nf.Close()
	rc, err := nf.Con.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, dupErr := -1, error(nil)
	if err := rc.Control(func(orig uintptr) {
		fd, dupErr = unix.FcntlInt(orig, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return -1, err
	}
	return fd, dupErr
}

// blocks makes the socket one whose reads sleep, for a nap, unless they say that
// they do not.
func (s *socket) blocks() error {
	if err := unix.SetNonblock(s.fd, false); err != nil {
		return fmt.Errorf("make the socket wait: %w", err)
	}
	tv := unix.NsecToTimeval(int64(maxNap))
	if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return fmt.Errorf("limit the socket's waits: %w", err)
	}
	return nil
}

// setRcvBuf asks for n bytes of receive buffer, beyond the system's limit if
// allowed, and returns what the kernel granted.
func (s *socket) setRcvBuf(n int) int {
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, n) != nil {
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, n)
	}
	got, _ := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return got
}

// recv reads up to BatchSize datagrams without waiting and returns how many.
func (s *socket) recv() (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd),
		uintptr(unsafe.Pointer(&s.msgs[0])), uintptr(len(s.msgs)), unix.MSG_DONTWAIT, 0, 0)
	return s.received(n, errno)
}

// recvAsleep does so, and sleeps until there is one; EAGAIN is the end of a nap.
// It has sleep's ways with the runtime.
func (s *socket) recvAsleep() (int, unix.Errno) {
	var n uintptr
	var errno unix.Errno
	if asleep.Add(1) < int64(runtime.GOMAXPROCS(0)) {
		n, _, errno = unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd),
			uintptr(unsafe.Pointer(&s.msgs[0])), uintptr(len(s.msgs)), unix.MSG_WAITFORONE, 0, 0)
	} else {
		n, _, errno = unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd),
			uintptr(unsafe.Pointer(&s.msgs[0])), uintptr(len(s.msgs)), unix.MSG_WAITFORONE, 0, 0)
	}
	asleep.Add(-1)
	return s.received(n, errno)
}

func (s *socket) received(n uintptr, errno unix.Errno) (int, unix.Errno) {
	s.drained = errno == 0 && int(n) < len(s.msgs)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// each gives the n datagrams of the last recv to in.
func (s *socket) each(n int, in *inbox) {
	for i := range n {
		m := &s.msgs[i]
		got := min(int(m.n), s.size)
		in.add(s.bufs[i*s.size:i*s.size+got], m.hdr.Flags&unix.MSG_TRUNC != 0)
	}
}

// sendTries bounds the patience with a kernel short of memory: 10 ms in all.
const sendTries = 10

func (s *socket) send(b []byte) error {
	for try := 1; ; try++ {
		_, _, err := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd),
			uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
		switch err {
		case 0:
			return nil
		case unix.EINTR:
			continue
		case unix.ENOBUFS, unix.ENOMEM, unix.EAGAIN:
			if try < sendTries {
				time.Sleep(time.Millisecond)
				continue
			}
		}
		return err
	}
}

func (s *socket) close() error {
	if s.fd < 0 {
		return nil
	}
	fd := s.fd
	s.fd = -1
	return unix.Close(fd)
}
