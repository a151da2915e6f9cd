package raw

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Socket sends packets. It is not safe for concurrent use.
type Socket struct {
	v4, v6 family
}

// family is a socket of one address family.
type family struct {
	fd   int
	mark uint32 // the socket's now
	oob  []byte // one control message, of packet info
	to4  unix.SockaddrInet4
	to6  unix.SockaddrInet6
}

// sendBuffer is what may wait in devices and queues behind the socket, in bytes
// of the kernel's accounting.
const sendBuffer = 8 << 20

// Open opens a socket in the network namespace of the calling thread. It needs
// CAP_NET_RAW, and CAP_NET_ADMIN for the mark. A host without IPv6 has no copies
// of IPv6's packets either.
func Open() (*Socket, error) {
	s := &Socket{v4: family{fd: -1}, v6: family{fd: -1}}
	if err := s.v4.open(unix.AF_INET); err != nil {
		return nil, err
	}
	if err := s.v6.open(unix.AF_INET6); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (f *family) open(af int) (err error) {
	f.fd, err = unix.Socket(af, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("open raw socket: %w: copies need CAP_NET_RAW: run as root, or in the lab", err)
	case err != nil:
		return fmt.Errorf("open raw socket: %w", err)
	}
	if unix.SetsockoptInt(f.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer) != nil {
		_ = unix.SetsockoptInt(f.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
	}
	if af == unix.AF_INET {
		f.oob = unix.PktInfo4(&unix.Inet4Pktinfo{})
		_ = unix.SetsockoptInt(f.fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
		_ = unix.SetsockoptInt(f.fd, unix.SOL_IP, unix.IP_MULTICAST_LOOP, 0)
		_ = unix.SetsockoptInt(f.fd, unix.SOL_IP, unix.IP_NODEFRAG, 1) // fragments stay fragments
		return nil
	}
	f.oob = unix.PktInfo6(&unix.Inet6Pktinfo{})
	_ = unix.SetsockoptInt(f.fd, unix.SOL_IPV6, unix.IPV6_MULTICAST_LOOP, 0)
	// The sources are other hosts' addresses.
	if unix.SetsockoptInt(f.fd, unix.SOL_IPV6, unix.IPV6_FREEBIND, 1) != nil {
		_ = unix.SetsockoptInt(f.fd, unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
	}
	return nil
}

// Send sends the IP packet b by the device of index dev, with Mark beside the
// bits of mark. It does not wait: what finds no room is an error.
func (s *Socket) Send(b []byte, dev, mark uint32) error {
	switch {
	case dev == 0:
		return ErrNoWay
	case len(b) >= len4 && b[0]>>4 == 4:
		f := &s.v4
		// struct in_pktinfo { int ifindex; struct in_addr spec_dst, addr; }
		binary.NativeEndian.PutUint32(f.oob[unix.CmsgLen(0):], dev)
		copy(f.to4.Addr[:], b[16:20])
		return f.send(b, &f.to4, mark)
	case len(b) >= len6 && b[0]>>4 == 6 && s.v6.fd >= 0:
		f := &s.v6
		// struct in6_pktinfo { struct in6_addr addr; unsigned int ifindex; }
		info := f.oob[unix.CmsgLen(0):]
		copy(info, b[8:24])
		binary.NativeEndian.PutUint32(info[16:], dev)
		copy(f.to6.Addr[:], b[24:40])
		f.to6.ZoneId = dev
		return f.send(b, &f.to6, mark)
	}
	return ErrNotIP
}

func (f *family) send(b []byte, to unix.Sockaddr, mark uint32) error {
	if mark |= Mark; mark != f.mark {
		if err := unix.SetsockoptInt(f.fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark)); err != nil {
			return fmt.Errorf("mark packet: %w", err)
		}
		f.mark = mark
	}
	for {
		if err := unix.Sendmsg(f.fd, b, f.oob, to, unix.MSG_DONTWAIT); err != unix.EINTR {
			return err
		}
	}
}

// Close closes the socket.
func (s *Socket) Close() (err error) {
	for _, f := range []*family{&s.v4, &s.v6} {
		if f.fd >= 0 {
			err = errors.Join(err, unix.Close(f.fd))
			f.fd = -1
		}
	}
	return err
}
