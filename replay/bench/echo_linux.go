package bench

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/replay/netns"
)

const (
	// echoGap is the idle time between an answer and the next request.
	echoGap = time.Millisecond
	// echoWait is when a request counts as lost.
	echoWait = 500 * time.Millisecond
	// echoBytes is a request without its IP header: ping's usual 8 + 56.
	echoBytes = 64
	// echoWarm requests go before those that count: they resolve addresses.
	echoWarm = 5
)

// echo times round trips to the server's kernel for d, one at a time.
func echo(d time.Duration) (Echo, error) {
	p, err := newPinger()
	if err != nil {
		return Echo{}, err
	}
	defer func() { _ = unix.Close(p.fd) }()
	for ok, i := false, 0; i < echoWarm && (ok || i == 0); i++ {
		if _, ok, err = p.once(); err != nil {
			return Echo{}, err
		}
	}
	var e Echo
	var took []int64
	for end := monotonic() + int64(d); monotonic() < end; {
		rtt, ok, err := p.once()
		if err != nil {
			return e, err
		}
		if e.Sent++; ok {
			took = append(took, rtt)
		} else {
			e.Lost++
		}
		nap(echoGap)
	}
	e.fill(took)
	return e, nil
}

// pinger sends ICMP echo requests from a raw socket and reads by blocking calls:
// Go's poller would be in the measurement.
type pinger struct {
	fd  int
	seq uint16
	out [echoBytes]byte
	in  [1500]byte
}

func newPinger() (*pinger, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return nil, fmt.Errorf("open a raw socket for echoes: %w", err)
	}
	p := &pinger{fd: fd}
	to := unix.SockaddrInet4{Addr: netns.LabAddresses().Server.As4()}
	if err := unix.Connect(fd, &to); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("connect a raw socket: %w", err)
	}
	tv := unix.NsecToTimeval(int64(echoWait))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("limit the wait for echoes: %w", err)
	}
	return p, nil
}

// once sends a request and waits for its answer; ok is false when none came.
func (p *pinger) once() (rtt int64, ok bool, err error) {
	p.seq++
	const request = 8
	p.out[0] = request
	binary.BigEndian.PutUint16(p.out[6:], p.seq)
	binary.BigEndian.PutUint16(p.out[2:], 0)
	binary.BigEndian.PutUint16(p.out[2:], checksum(p.out[:]))
	begin := monotonic()
	if _, err := unix.Write(p.fd, p.out[:]); err != nil {
		return 0, false, fmt.Errorf("send echo request: %w", err)
	}
	for monotonic()-begin < int64(echoWait) {
		n, err := unix.Read(p.fd, p.in[:])
		now := monotonic()
		switch {
		case err == unix.EAGAIN:
			return 0, false, nil
		case err == unix.EINTR:
		case err != nil:
			return 0, false, fmt.Errorf("read echo: %w", err)
		case p.answers(p.in[:n]):
			return now - begin, true, nil
		}
	}
	return 0, false, nil
}

// answers says whether an IPv4 packet is the reply to the last request.
func (p *pinger) answers(b []byte) bool {
	if len(b) < 20 {
		return false
	}
	h := int(b[0]&15) * 4
	return len(b) >= h+8 && b[h] == 0 && binary.BigEndian.Uint16(b[h+6:]) == p.seq
}

// checksum is the internet checksum (RFC 1071) of b, of even length.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// nap blocks the thread for d, less when a signal comes.
func nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil)
}
