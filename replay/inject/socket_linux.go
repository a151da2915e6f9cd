package inject

import (
	"fmt"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendBatch is the most packets of one system call.
const sendBatch = 64

// packetSocket sends frames with a virtio header in front on one device.
type packetSocket struct {
	fd    int
	zeros []byte // any packet's payload
	msgs  [sendBatch]mmsghdr
	iovs  [sendBatch][2]unix.Iovec
}

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// sndbuf is the send buffer to ask for, in bytes.
const sndbuf = 4 << 20

func openPacketSocket(device string) (*packetSocket, error) {
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", device, err)
	}
	// Protocol 0: send only.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	s := &packetSocket{fd: fd, zeros: make([]byte, maxLen)}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		s.close()
		return nil, fmt.Errorf("send super-packets: %w", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sndbuf) // less is only slower
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: ifi.Index}); err != nil {
		s.close()
		return nil, fmt.Errorf("bind packet socket to %s: %w", device, err)
	}
	for i := range s.msgs {
		s.msgs[i].hdr.Iov = &s.iovs[i][0]
	}
	return s, nil
}

func (s *packetSocket) close() { _ = unix.Close(s.fd) }

// set makes frame i of the next send: header and so many zeros.
func (s *packetSocket) set(i int, header []byte, zeros int) {
	s.iovs[i][0].Base = &header[0]
	s.iovs[i][0].SetLen(len(header))
	n := 1
	if zeros > 0 {
		s.iovs[i][1].Base = &s.zeros[0]
		s.iovs[i][1].SetLen(zeros)
		n = 2
	}
	s.msgs[i].hdr.SetIovlen(n)
}

// send hands frames from to to-1 to the kernel and returns how many it took;
// errno is why it took none.
func (s *packetSocket) send(from, to int) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.msgs[from])),
		uintptr(to-from), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
