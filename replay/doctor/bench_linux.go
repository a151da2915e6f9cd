package doctor

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nft"
	"github.com/uqtool/uq/sim/pkt"
)

// port is the destination of the probes' packets.
const port = 9

// bench is a queue, its rule, and a socket that sends to it.
type bench struct {
	q     *nfq.Queue
	table *nft.Table
	fd    int // UDP, connected to port on lo; blocks
	out   []nfq.Verdict
}

// udpRule queues what a bench sends. At Input, packets no longer count against
// their sender's buffer, so that thousands may wait; at Output they do, and the
// sender waits for the queue.
func udpRule(hook nft.Hook) nft.Rule {
	return nft.Rule{Hook: hook, Proto: pkt.ProtoUDP, DstPort: port}
}

// newBench opens queue 0 and installs the rules in this namespace, whose lo it
// raises.
func newBench(c nfq.Config, rules ...nft.Rule) (b *bench, err error) {
	if err := loopbackUp(); err != nil {
		return nil, err
	}
	b = &bench{fd: -1}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.q, err = nfq.Open(c); err != nil {
		return nil, err
	}
	if b.table, err = nft.Install(rules...); err != nil {
		return nil, err
	}
	if b.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}
	if err = unix.Connect(b.fd, to); err != nil {
		return nil, fmt.Errorf("connect to lo: %w", err)
	}
	return b, nil
}

// close leaves nothing behind. What goes wrong here the namespace's end mends.
func (b *bench) close() {
	if b.fd >= 0 {
		_ = unix.Close(b.fd)
	}
	if b.q != nil {
		_ = b.q.Close()
	}
	if b.table != nil {
		_ = b.table.Remove()
	}
}

// send sends n packets of size bytes without their headers.
func (b *bench) send(size, n int) error {
	buf := make([]byte, size)
	for range n {
		if _, err := unix.Write(b.fd, buf); err != nil && !transient(err) {
			return fmt.Errorf("send a packet: %w", err)
		}
	}
	return nil
}

// transient errors of a send are no end: a packet that was refused or dropped
// on the way.
func transient(err error) bool {
	for _, e := range []error{unix.EINTR, unix.ECONNREFUSED, unix.ENOBUFS, unix.EPERM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// first waits for a packet. Its payload is valid until the next Receive.
func (b *bench) first() (nfq.Packet, error) {
	for end := time.Now().Add(firstWait); time.Now().Before(end); {
		batch, err := b.q.Receive(time.Until(end))
		if err != nil {
			return nfq.Packet{}, err
		}
		if len(batch.Packets) > 0 {
			return batch.Packets[0], nil
		}
	}
	return nfq.Packet{}, errors.New("a packet that the rule should send to the queue did not come")
}

// decide gives all packets the verdict v.
func (b *bench) decide(ps []nfq.Packet, v nfq.Verdict) error {
	b.out = b.out[:0]
	for i := range ps {
		v.ID = ps[i].ID
		b.out = append(b.out, v)
	}
	return b.q.Send(b.out)
}
