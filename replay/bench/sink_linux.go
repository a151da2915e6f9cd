package bench

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The measured ports at the server.
const (
	tcpPort   = 4712
	udpPort   = 4713
	iperfPort = 5201
)

const (
	// wakeUp is how often a sink looks whether it is to stop.
	wakeUp = 10 * time.Millisecond
	// drainMax is how long what was sent may take: a slow program empties a full
	// queue first.
	drainMax = 10 * time.Second
	// maxMillis bounds what a sink counts by the millisecond.
	maxMillis = int((MaxDuration + 2*drainMax) / time.Millisecond)
)

// sink receives in a thread of its own and counts by the millisecond, so that
// any window can be asked for afterwards.
type sink struct {
	fd      int // of the socket that receives; closed by the thread
	stop    chan struct{}
	over    chan error // one: the thread has ended
	begin   int64
	count   []uint32      // in KiB or datagrams, by the millisecond since begin
	odd     uint64        // bytes not in count yet
	mark    chan struct{} // one: a flood's mark has come
	markLen uint32        // its length
	got     got
}

func newSink(fd int) *sink {
	return &sink{fd: fd, stop: make(chan struct{}), over: make(chan error, 1), mark: make(chan struct{}, 1),
		begin: monotonic(), count: make([]uint32, maxMillis)}
}

// slot is the counter of now.
func (s *sink) slot() *uint32 {
	i := int((monotonic() - s.begin) / int64(time.Millisecond))
	return &s.count[min(max(i, 0), len(s.count)-1)]
}

// window sums up the milliseconds that lie wholly between from and to, and
// reports how many those are.
func (s *sink) window(from, to int64) (sum uint64, d time.Duration) {
	const ms = int64(time.Millisecond)
	first, end := (from-s.begin+ms-1)/ms, (to-s.begin)/ms
	first, end = max(first, 0), min(end, int64(len(s.count)))
	for i := first; i < end; i++ {
		sum += uint64(s.count[i])
	}
	return sum, time.Duration(max(end-first, 0)) * time.Millisecond
}

// marked waits for the mark up to d.
func (s *sink) marked(d time.Duration) bool {
	select {
	case <-s.mark:
		return true
	case <-time.After(d):
		return false
	}
}

// close waits for the end of what comes and returns the account; Window is a
// second's worth.
func (s *sink) close(from, to int64) (got, error) {
	close(s.stop)
	var err error
	select {
	case err = <-s.over:
	case <-time.After(drainMax + time.Second):
		return s.got, errors.New("the sink did not end: the flow is stuck")
	}
	if from == 0 {
		return s.got, err // nobody asks for a window
	}
	n, d := s.window(from, to)
	if err == nil && d == 0 {
		err = errors.New("nothing to count in so short a time: raise --duration")
	}
	if d > 0 {
		s.got.Window = uint64(float64(n) / d.Seconds())
	}
	return s.got, err
}

// listen makes a socket of the server's end.
func listen(kind int, port int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open the sink's socket: %w", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // else the error is bind's
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port}); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("bind the sink's socket: %w", err)
	}
	if err := rcvTimeout(fd, wakeUp); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func rcvTimeout(fd int, d time.Duration) error {
	tv := unix.NsecToTimeval(int64(d))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return fmt.Errorf("set the sink's timeout: %w", err)
	}
	return nil
}

// openTCPSink is ready for one flow.
func openTCPSink() (*sink, error) {
	l, err := listen(unix.SOCK_STREAM, tcpPort)
	if err != nil {
		return nil, err
	}
	if err := unix.Listen(l, 1); err != nil {
		_ = unix.Close(l)
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := newSink(l)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		s.over <- s.runTCP(l)
	}()
	return s, nil
}

// runTCP takes one flow until its end.
func (s *sink) runTCP(l int) error {
	defer func() { _ = unix.Close(l) }()
	var fd int
	for {
		var err error
		if fd, _, err = unix.Accept4(l, unix.SOCK_CLOEXEC); err == nil {
			break
		}
		if err != unix.EAGAIN && err != unix.EINTR {
			return fmt.Errorf("accept: %w", err)
		}
		if s.stopped() {
			return errors.New("no flow came")
		}
	}
	defer func() { _ = unix.Close(fd) }()
	if err := rcvTimeout(fd, wakeUp); err != nil {
		return err
	}
	buf := make([]byte, tcpChunk)
	for since := int64(0); ; {
		n, err := unix.Read(fd, buf)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			// A flow may pause, and its last segment be lost; not for ever.
			if !s.stopped() {
				continue
			}
			if since == 0 {
				since = monotonic()
			}
			if monotonic()-since > int64(drainMax) {
				return errors.New("the flow did not end")
			}
		case err != nil:
			return fmt.Errorf("receive: %w", err)
		case n == 0:
			return nil
		default:
			s.got.Total += uint64(n)
			s.odd += uint64(n)
			*s.slot() += uint32(s.odd / 1024)
			s.odd %= 1024
		}
	}
}

func (s *sink) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// udpBatch is the most datagrams of one call, and udpBuf the receive buffer to
// ask for, in bytes.
// udpLook is how much of one to look at.
const (
	udpBatch = 64
	udpBuf   = 32 << 20
	udpLook  = 16
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// openUDPSink is ready for a flood, of which it knows the number.
func openUDPSink(number int) (*sink, error) {
	fd, err := listen(unix.SOCK_DGRAM, udpPort)
	if err != nil {
		return nil, err
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, udpBuf) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, udpBuf)
	}
	before, err := udpErrors()
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	s := newSink(fd)
	s.markLen = uint32(markLen(number))
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer func() { _ = unix.Close(fd) }()
		err := s.runUDP()
		after, aerr := udpErrors()
		s.got.Missed = after - before
		s.over <- errors.Join(err, aerr)
	}()
	return s, nil
}

// runUDP counts datagrams until told to stop. It looks at their first bytes
// only; the kernel throws the rest away.
func (s *sink) runUDP() error {
	var msgs [udpBatch]mmsghdr
	var iovs [udpBatch]unix.Iovec
	bufs := make([]byte, udpLook*udpBatch)
	for i := range msgs {
		iovs[i].Base = &bufs[udpLook*i]
		iovs[i].SetLen(udpLook)
		msgs[i].hdr.Iov = &iovs[i]
		msgs[i].hdr.SetIovlen(1)
	}
	for !s.stopped() {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&msgs[0])),
			udpBatch, unix.MSG_WAITFORONE, 0, 0)
		switch errno {
		case 0:
			s.take(msgs[:n])
		case unix.EINTR, unix.ECONNREFUSED, unix.EAGAIN:
		default:
			return fmt.Errorf("receive the flood: %w", errno)
		}
	}
	return nil
}

// take counts what one call received. What is shorter than the look is a mark.
func (s *sink) take(msgs []mmsghdr) {
	var n, marks uint32
	for i := range msgs {
		switch msgs[i].n {
		case udpLook:
			n++
		case s.markLen:
			marks++
		}
	}
	if n > 0 {
		s.got.Last = monotonic()
		*s.slot() += n
		s.got.Total += uint64(n)
	}
	if marks > 0 {
		s.got.Marks += uint64(marks)
		select {
		case s.mark <- struct{}{}:
		default: // told already
		}
	}
}
