package inject

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/replay/netns"
)

// The ring that the kernel copies headers into: frames of ringFrame bytes in
// blocks.
const (
	ringFrame  = 256
	ringBlock  = 64 << 10
	ringBlocks = 256
	// wholeFrame is the frames' length where their checksums count: that of
	// packets on an Ethernet, and more.
	wholeFrame = 2048
)

const (
	// sinkPause is between looks at the ring. The kernel stamps the packets, so
	// nothing is gained by hurry.
	sinkPause = 2 * time.Millisecond
	// sinkGrace is how long the ring must have stayed empty at the end.
	sinkGrace = 60 * time.Millisecond
)

// Sink is the sink's end of a wire: it notes what arrives, when, and, where the
// link corrupts packets, whether it arrives damaged.
func Sink(t *Task) netns.End {
	return func(ctx context.Context, e *netns.EndLab) (any, error) {
		if len(e.Files) != taskFiles {
			return nil, errors.New("read the lab's task: files are missing")
		}
		whole, err := t.whole()
		if err != nil {
			return nil, err
		}
		return receive(ctx, e, whole)
	}
}

// receive runs a sink until ctx ends.
func receive(ctx context.Context, e *netns.EndLab, whole bool) (any, error) {
	frame := ringFrame
	if whole {
		frame = wholeFrame
	}
	r, err := openRing(e.Link, frame)
	if err != nil {
		return nil, err
	}
	defer r.close()
	s := &sink{ring: r, whole: whole, mac: e.HardwareAddr, clock: record.StartClock(), log: newLogWriter(e.Files[receivedFile])}
	before := readDevice(e.Link)
	e.Ready()
	s.run(ctx)
	s.result.Missed = r.drops()
	s.result.Link = readDevice(e.Link).since(before)
	return s.result, s.log.close()
}

// sink reads a ring.
type sink struct {
	ring   *ring
	whole  bool // checksums count
	mac    net.HardwareAddr
	clock  record.Clock
	log    *logWriter
	result SinkResult
}

func (s *sink) run(ctx context.Context) {
	last := time.Now()
	for {
		if s.drain() > 0 {
			last = time.Now()
		} else if ctx.Err() != nil && time.Since(last) > sinkGrace {
			return
		}
		time.Sleep(sinkPause)
	}
}

// drain takes what is in the ring. The kernel's stamps are of the realtime
// clock: they are moved by what the two clocks differ now, milliseconds later
// at most.
func (s *sink) drain() int {
	offset := monotonicOffset(s.clock)
	n := 0
	for ; n < s.ring.frames(); n++ {
		f, ok := s.ring.next()
		if !ok {
			break
		}
		s.note(f, offset)
		s.ring.release()
	}
	return n
}

// monotonicOffset is CLOCK_MONOTONIC less CLOCK_REALTIME, now: the best of a few
// tries, since the process may be interrupted between the clocks.
func monotonicOffset(c record.Clock) (offset int64) {
	const tries, good = 10, int64(200 * time.Nanosecond)
	best := int64(-1)
	for i := 0; i < tries && (best < 0 || best > good); i++ {
		before := monotonic(c)
		real := time.Now().UnixNano()
		if span := monotonic(c) - before; best < 0 || span < best {
			best, offset = span, before+span/2-real
		}
	}
	return offset
}

func (s *sink) note(f frame, offset int64) {
	b := f.bytes
	if len(b) < etherLen || !bytes.Equal(b[:6], s.mac) {
		s.result.Foreign++
		return
	}
	t, ds, ok := readTag(b[etherLen:])
	if !ok {
		s.result.Foreign++
		return
	}
	e := receivedEntry{at: f.realtime + offset, tag: t, len: uint32(f.len - etherLen), ds: ds}
	if s.whole && len(b) == f.len {
		e.sums = checkSums(b[etherLen:])
	}
	e.put(s.log.next())
}

// ring is a TPACKET_V2 receive ring.
type ring struct {
	fd    int
	mem   []byte
	frame int // length of a frame's place
	at    int
}

// frame is one received frame; its bytes are cut, len is not.
type frame struct {
	realtime int64 // ns
	bytes    []byte
	len      int
}

func openRing(device string, frame int) (*ring, error) {
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", device, err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	r := &ring{fd: fd, frame: frame}
	if err := r.setUp(ifi.Index); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("receive on %s: %w", device, err)
	}
	return r, nil
}

func (r *ring) setUp(ifindex int) error {
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return fmt.Errorf("choose ring version: %w", err)
	}
	req := unix.TpacketReq{Block_size: ringBlock, Block_nr: ringBlocks, Frame_size: uint32(r.frame), Frame_nr: uint32(r.frames())}
	if err := unix.SetsockoptTpacketReq(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fmt.Errorf("make ring: %w", err)
	}
	mem, err := unix.Mmap(r.fd, 0, ringBlock*ringBlocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map ring: %w", err)
	}
	r.mem = mem
	if err := unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: ifindex}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// htons puts v in network byte order.
func htons(v uint16) uint16 {
	b := [2]byte{byte(v >> 8), byte(v)}
	return *(*uint16)(unsafe.Pointer(&b))
}

// frames is how many there are.
func (r *ring) frames() int { return ringBlocks * ringBlock / r.frame }

func (r *ring) header() *unix.Tpacket2Hdr {
	return (*unix.Tpacket2Hdr)(unsafe.Pointer(&r.mem[r.at*r.frame]))
}

// next is the oldest frame, valid until release.
func (r *ring) next() (frame, bool) {
	h := r.header()
	if atomic.LoadUint32(&h.Status)&unix.TP_STATUS_USER == 0 {
		return frame{}, false
	}
	start := r.at*r.frame + int(h.Mac)
	end := min(start+int(h.Snaplen), (r.at+1)*r.frame)
	return frame{realtime: int64(h.Sec)*1e9 + int64(h.Nsec), bytes: r.mem[start:end], len: int(h.Len)}, true
}

// release gives the frame that next returned back to the kernel.
func (r *ring) release() {
	atomic.StoreUint32(&r.header().Status, unix.TP_STATUS_KERNEL)
	r.at = (r.at + 1) % r.frames()
}

// drops is how many frames found the ring full.
func (r *ring) drops() uint64 {
	st, err := unix.GetsockoptTpacketStats(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0
	}
	return uint64(st.Drops)
}

func (r *ring) close() {
	_ = unix.Munmap(r.mem)
	_ = unix.Close(r.fd)
}
