package inject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

const (
	// sourcePage is how many packets are prepared at once, and sourcePages how
	// many pages there are: what may be ready before it is due.
	sourcePage  = 32
	sourcePages = 512
	// lead is from the moment all is ready until the first packet is due.
	lead = 20 * time.Millisecond
	// settle is how long the source waits after its last packet: until it has
	// surely reached the queue.
	settle = 50 * time.Millisecond
	// sendTries and sendPause bound how long to insist where the kernel has no
	// room for a packet.
	sendTries = 10
	sendPause = 50 * time.Microsecond
)

// outgoing is a packet prepared for sending.
type outgoing struct {
	sentEntry      // due is on the trace's time line until it is taken up
	start, end int // of its header in the page
	zeros      int
}

// preparedPage is a stretch of packets.
type preparedPage struct {
	pkts  []outgoing
	bytes []byte
}

// source sends what a Feed gives.
type source struct {
	feed   *Feed
	frames framer
	sock   *packetSocket
	pace   *pacer
	log    *logWriter
	full   chan *preparedPage
	free   chan *preparedPage
	sent   chan *preparedPage
	result SourceResult
	err    error // of the feed, once full is closed
}

// Source is the source's end of a wire: it sends the trace.
func Source(t *Task) netns.End {
	return func(ctx context.Context, e *netns.EndLab) (any, error) {
		if len(e.Files) != taskFiles {
			return nil, errors.New("read the lab's task: files are missing")
		}
		s, err := openSource(t, e.Link, e.HardwareAddr, func() (*traces.Reader, error) { return OpenTrace(e.Files[traceFile]) }, e.Files[sentFile])
		if err != nil {
			return nil, err
		}
		defer s.sock.close()
		if err := t.tune(0); err != nil {
			return nil, err
		}
		before := readDevice(e.Link)
		err = s.run(ctx)
		s.result.Link = readDevice(e.Link).since(before)
		return s.result, err
	}
}

// since is what a device has counted from before on.
func (d Device) since(before Device) Device {
	return Device{d.RxPackets - before.RxPackets, d.TxPackets - before.TxPackets, d.Drops - before.Drops}
}

// openSource readies a source on a device, with its log.
func openSource(t *Task, device string, to net.HardwareAddr, open func() (*traces.Reader, error), log io.Writer) (*source, error) {
	feed, err := NewFeed(open, t.Selection)
	if err != nil {
		return nil, err
	}
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", device, err)
	}
	sock, err := openPacketSocket(device)
	if err != nil {
		return nil, err
	}
	s := &source{
		feed: feed, sock: sock, pace: newPacer(t.Timer), log: newLogWriter(log),
		frames: framer{to: to, from: ifi.HardwareAddr, mtu: uint32(segmentMTU(feed.Header()))},
		full:   make(chan *preparedPage, sourcePages), free: make(chan *preparedPage, sourcePages), sent: make(chan *preparedPage, sourcePages),
	}
	for range sourcePages {
		s.free <- &preparedPage{}
	}
	return s, nil
}

// gcMemory is how much memory a process may use before it collects garbage: a
// collection delays packets.
const gcMemory = 256 << 20

// run sends everything, or until ctx is done, and completes the log.
func (s *source) run(ctx context.Context) error {
	percent, memory := debug.SetGCPercent(-1), debug.SetMemoryLimit(gcMemory)
	defer func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(memory) }()
	stop := context.AfterFunc(ctx, func() { s.pace.stop.Store(true) })
	defer stop()
	ready := make(chan struct{})
	go s.prepare(ctx, ready)
	logged := make(chan struct{})
	go s.writeLog(logged)
	<-ready
	s.send()
	for range s.full { // what is left when told to stop
	}
	close(s.sent)
	<-logged
	time.Sleep(settle)
	err := s.log.close()
	var damage *traces.Damage
	switch {
	case errors.As(s.err, &damage):
		s.result.Damage = damage.Error()
	case s.err != nil && ctx.Err() == nil:
		err = errors.Join(err, s.err)
	}
	return err
}

// prepare fills pages until the feed ends. ready is closed when all pages are
// full for the first time, or the feed has ended.
func (s *source) prepare(ctx context.Context, ready chan struct{}) {
	defer close(s.full)
	n, pages := uint64(0), 0
	defer func() {
		if pages < sourcePages {
			close(ready)
		}
	}()
	for {
		var p *preparedPage
		select {
		case p = <-s.free:
		case <-ctx.Done():
			return
		}
		ok := s.fill(p, &n)
		s.full <- p
		if !ok {
			return
		}
		if pages++; pages == sourcePages {
			close(ready)
		}
	}
}

// fill prepares a page; false when the feed has ended.
func (s *source) fill(p *preparedPage, n *uint64) bool {
	p.pkts, p.bytes = p.pkts[:0], p.bytes[:0]
	var r traces.Record
	for range sourcePage {
		ok, err := s.feed.Next(&r)
		if !ok {
			s.err = err
			return false
		}
		o := outgoing{sentEntry: sentEntry{due: int64(r.Time), len: r.Len, v6: r.Flow.V6}, start: len(p.bytes)}
		p.bytes, o.why = s.frames.append(p.bytes, &r, *n)
		o.end = len(p.bytes)
		o.zeros = int(r.Len) - (o.end - o.start - vnetLen - etherLen)
		p.pkts = append(p.pkts, o)
		*n++
	}
	return true
}

// send is the timed part. The start is set once, from the first packet.
func (s *source) send() {
	offset := int64(pkt.Never)
	for p := range s.full {
		if offset == int64(pkt.Never) && len(p.pkts) > 0 {
			s.result.StartNs = s.pace.now() + int64(lead)
			offset = s.result.StartNs - p.pkts[0].due
		}
		for i := range p.pkts {
			p.pkts[i].due += offset
		}
		n, ok := s.sendPage(p)
		p.pkts = p.pkts[:n]
		s.sent <- p
		if !ok {
			return
		}
	}
}

// sendPage sends a page's packets, each when it is due, and returns how many
// it came to; false when told to stop.
func (s *source) sendPage(p *preparedPage) (int, bool) {
	for i := 0; i < len(p.pkts); {
		if p.pkts[i].why != Sendable {
			i++
			continue
		}
		now, ok := s.pace.wait(p.pkts[i].due)
		if !ok {
			return i, false
		}
		n := 0
		for ; n < sendBatch && i+n < len(p.pkts); n++ {
			o := &p.pkts[i+n]
			if o.due > now || o.why != Sendable {
				break
			}
			s.sock.set(n, p.bytes[o.start:o.end], o.zeros)
		}
		s.sendBatch(p.pkts[i : i+n])
		i += n
	}
	return len(p.pkts), true
}

// sendBatch hands the packets to the kernel. One that it keeps refusing is
// given up.
func (s *source) sendBatch(ps []outgoing) {
	tries := 0
	for i := 0; i < len(ps); {
		n, errno := s.sock.send(i, len(ps))
		now := s.pace.now()
		for range n {
			ps[i].at = now
			i++
		}
		switch {
		case n > 0 || errno == unix.EINTR:
			tries = 0
		case (errno == unix.EAGAIN || errno == unix.ENOBUFS) && tries < sendTries:
			tries++
			s.result.Retries++
			time.Sleep(sendPause)
		default:
			ps[i].errno = uint16(errno)
			i++
			tries = 0
		}
	}
}

// writeLog notes what became of the packets and gives the pages back.
func (s *source) writeLog(done chan struct{}) {
	defer close(done)
	for p := range s.sent {
		for i := range p.pkts {
			p.pkts[i].put(s.log.next())
		}
		s.free <- p
	}
}
