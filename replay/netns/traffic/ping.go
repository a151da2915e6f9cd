package traffic

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// runPing sends an ICMP echo each interval and times the replies. It needs a
// raw socket, which root in the lab's user namespace may open.
func (s source) runPing(ctx context.Context, addr string, r *Report) error {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return err
	}
	network, local := "ip4:icmp", "0.0.0.0"
	var request, reply icmp.Type = ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	if s.v6 {
		network, local = "ip6:ipv6-icmp", "::"
		request, reply = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	conn, err := icmp.ListenPacket(network, local)
	if err != nil {
		return err
	}
	p := &pinger{conn: conn, id: int(s.seed & 0xffff), request: request, reply: reply,
		dst: &net.IPAddr{IP: ap.Addr().AsSlice()}, r: r}
	var wg sync.WaitGroup
	wg.Go(p.read)
	payload := make([]byte, s.size)
	pace(ctx, time.Now().Add(s.phase), s.interval, func(i uint32) { p.send(i, payload) })
	time.Sleep(drain)
	err = conn.SetReadDeadline(time.Unix(1, 0))
	wg.Wait()
	return errors.Join(err, conn.Close())
}

// pinger is one echo conversation. The lock guards sent and r.
type pinger struct {
	conn           *icmp.PacketConn
	id             int
	request, reply icmp.Type
	dst            net.Addr

	mu   sync.Mutex
	sent [1 << 10]time.Time // by sequence number modulo its length
	r    *Report
}

func (p *pinger) send(i uint32, payload []byte) {
	seq := int(i & 0xffff)
	b, err := (&icmp.Message{Type: p.request, Body: &icmp.Echo{ID: p.id, Seq: seq, Data: payload}}).Marshal(nil)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent[seq%len(p.sent)] = time.Now()
	if _, err := p.conn.WriteTo(b, p.dst); err == nil {
		p.r.Sent++
	}
}

// read takes replies until the read deadline is pulled.
func (p *pinger) read() {
	buf := make([]byte, 2048)
	for {
		n, _, err := p.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		m, err := icmp.ParseMessage(p.reply.Protocol(), buf[:n])
		if err != nil || m.Type != p.reply {
			continue
		}
		if e, ok := m.Body.(*icmp.Echo); ok && e.ID == p.id {
			p.count(e)
		}
	}
}

func (p *pinger) count(e *icmp.Echo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := &p.sent[e.Seq%len(p.sent)]
	if at.IsZero() {
		return // a duplicate
	}
	p.r.Received++
	p.r.Bytes += uint64(len(e.Data))
	p.r.Time.Add(time.Since(*at))
	*at = time.Time{}
}
