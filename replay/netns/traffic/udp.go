package traffic

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// A datagram begins with an operation, three bytes of nothing, a sequence
// number and, for echoes, the sender's nanoseconds since its start. A generate
// request has size, interval and duration behind the sequence number.
const (
	opEcho     = 'E' // send it back
	opSink     = 'S' // count it
	opGenerate = 'G' // send sinks to me
	opCount    = 'C' // how many sinks came from me? answered with the number as sequence

	headerLen  = 16
	requestLen = 8 + 8 + 8 + 8

	minInterval = 10 * time.Microsecond
	// drain is how long a client waits for what is still on its way.
	drain = 300 * time.Millisecond
	// tries is how often an unanswered request is sent, drain apart.
	tries = 10
	// maxPeers bounds what the server remembers.
	maxPeers = 1024
)

func putHeader(b []byte, op byte, seq uint32, t time.Duration) {
	clear(b[:headerLen])
	b[0] = op
	binary.BigEndian.PutUint32(b[4:], seq)
	binary.BigEndian.PutUint64(b[8:], uint64(t))
}

func dialUDP(addr string) (*net.UDPConn, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	return net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(ap))
}

// runVoIP sends a datagram each interval and times the echoes.
func (s source) runVoIP(ctx context.Context, addr string, r *Report) error {
	conn, err := dialUDP(addr)
	if err != nil {
		return err
	}
	start := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() { s.readEchoes(conn, start, r) })
	buf := make([]byte, max(s.size, headerLen))
	pace(ctx, start.Add(s.phase), s.interval, func(i uint32) {
		putHeader(buf, opEcho, i, time.Since(start))
		if _, err := conn.Write(buf); err == nil {
			r.Sent++
		}
	})
	time.Sleep(drain)
	err = conn.SetReadDeadline(time.Unix(1, 0))
	wg.Wait()
	return errors.Join(err, conn.Close())
}

// readEchoes counts until the read deadline is pulled.
func (s source) readEchoes(conn *net.UDPConn, start time.Time, r *Report) {
	buf := make([]byte, 2048)
	for {
		n, err := conn.Read(buf)
		if errors.Is(err, net.ErrClosed) || isTimeout(err) {
			return
		}
		if err != nil || n < headerLen {
			continue // an ICMP error shows up here once
		}
		r.Received++
		r.Bytes += uint64(n)
		r.Time.Add(time.Since(start) - time.Duration(binary.BigEndian.Uint64(buf[8:])))
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// runCBR sends at a constant bit rate, or has the server do it.
func (s source) runCBR(ctx context.Context, addr string, r *Report) error {
	conn, err := dialUDP(addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if s.down {
		return s.receiveCBR(ctx, conn, r)
	}
	out, one := s.datagrams(conn, r)
	pace(ctx, time.Now().Add(s.phase), s.interval, func(i uint32) {
		for k := 0; k < s.batch; k += len(out) / one {
			for j := 0; j < len(out); j += one {
				putHeader(out[j:], opSink, i*uint32(s.batch)+uint32(k+j/one), 0)
			}
			if _, err := conn.Write(out); err == nil {
				r.Sent += uint64(len(out) / one)
			}
		}
	})
	time.Sleep(drain)
	if err := askCount(conn, r); err != nil {
		return err
	}
	r.Bytes = r.Received * uint64(s.size)
	return nil
}

// datagrams is what one write sends: a whole batch where the kernel cuts it
// (UDP GSO), else one datagram of the returned size.
func (s source) datagrams(conn *net.UDPConn, r *Report) (buf []byte, one int) {
	one = min(max(s.size, headerLen), maxPayload)
	if s.batch > 1 {
		if err := setSegment(conn, one); err == nil {
			return make([]byte, one*s.batch), one
		}
		r.Note = "no UDP GSO: single datagrams"
	}
	return make([]byte, one), one
}

// askCount asks the server how many sinks it got from this socket.
func askCount(conn *net.UDPConn, r *Report) error {
	if err := setSegment(conn, 0); err != nil && r.Note == "" {
		r.Note = "socket without segment option"
	}
	req, ans := make([]byte, headerLen), make([]byte, 2048)
	putHeader(req, opCount, 0, 0)
	for range tries {
		if _, err := conn.Write(req); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(drain)); err != nil {
			return err
		}
		if n, err := conn.Read(ans); err == nil && n == headerLen && ans[0] == opCount {
			r.Received = binary.BigEndian.Uint64(ans[8:])
			return nil
		}
	}
	return fmt.Errorf("count the received: no answer in %s", tries*drain)
}

// receiveCBR has the server send and counts what comes. The server says in the
// sequence number how many it has sent before.
func (s source) receiveCBR(ctx context.Context, conn *net.UDPConn, r *Report) error {
	end, _ := ctx.Deadline()
	req := make([]byte, requestLen)
	putHeader(req, opGenerate, uint32(s.size), 0)
	binary.BigEndian.PutUint64(req[8:], uint64(s.interval))
	binary.BigEndian.PutUint64(req[16:], uint64(max(time.Until(end), 0)))
	binary.BigEndian.PutUint32(req[24:], uint32(s.batch))
	buf := make([]byte, 2048)
	for try := 0; ctx.Err() == nil; {
		if r.Received == 0 {
			if try++; try > tries {
				return fmt.Errorf("start the server's flow: no answer in %s", tries*drain)
			}
			if _, err := conn.Write(req); err != nil {
				return err
			}
		}
		if err := conn.SetReadDeadline(time.Now().Add(drain)); err != nil {
			return err
		}
		for {
			n, err := conn.Read(buf)
			if err != nil || ctx.Err() != nil {
				break
			}
			r.Received++
			r.Bytes += uint64(n)
			r.Sent = max(r.Sent, uint64(binary.BigEndian.Uint32(buf[4:]))+1)
		}
	}
	return nil
}
