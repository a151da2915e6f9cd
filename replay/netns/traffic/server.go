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

// maxFlows bounds the TCP flows a server answers at once.
const maxFlows = 1024

// Serve answers the clients' sources on the given port (0 picks one) of all
// addresses, IPv4 and IPv6, until ctx ends. ready is called with the port once
// the sockets are bound.
//
// A host of several addresses names them: answers to a datagram come from the
// one that it was sent to.
func Serve(ctx context.Context, addrs []netip.Addr, port uint16, ready func(port uint16)) error {
	lis, err := net.ListenTCP("tcp", &net.TCPAddr{Port: int(port)})
	if err != nil {
		return fmt.Errorf("listen for traffic: %w", err)
	}
	port = uint16(lis.Addr().(*net.TCPAddr).Port)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { _ = lis.Close() })
	var wg sync.WaitGroup
	defer wg.Wait()
	if len(addrs) == 0 {
		addrs = []netip.Addr{{}} // all of them
	}
	for _, a := range addrs {
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: a.AsSlice(), Port: int(port)})
		if err != nil {
			cancel()
			return fmt.Errorf("listen for traffic: %w", err)
		}
		context.AfterFunc(ctx, func() { _ = udp.Close() })
		s := &udpServer{ctx: ctx, conn: udp, sinks: map[netip.AddrPort]uint64{}, busy: map[netip.AddrPort]bool{}}
		wg.Go(s.run)
	}
	ready(port)
	err = accept(ctx, lis)
	cancel()
	return err
}

// accept answers TCP flows until the listener is closed, then resets those
// that are left.
func accept(ctx context.Context, lis *net.TCPListener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, maxFlows)
	for {
		conn, err := lis.AcceptTCP()
		if err != nil {
			return ended(ctx, err)
		}
		slots <- struct{}{}
		wg.Go(func() {
			stop := context.AfterFunc(ctx, func() { _, _ = conn.SetLinger(0), conn.Close() })
			_ = serveTCP(conn) // how a flow ends is the client's to report
			stop()
			<-slots
		})
	}
}

// udpServer answers datagrams. The lock guards the maps.
type udpServer struct {
	ctx  context.Context
	conn *net.UDPConn
	wg   sync.WaitGroup

	mu    sync.Mutex
	sinks map[netip.AddrPort]uint64
	busy  map[netip.AddrPort]bool
}

func (s *udpServer) run() {
	defer s.wg.Wait()
	buf := make([]byte, 1<<16)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && n >= headerLen {
			s.answer(buf[:n], from)
		}
	}
}

func (s *udpServer) answer(b []byte, from netip.AddrPort) {
	switch b[0] {
	case opEcho:
		_, _ = s.conn.WriteToUDPAddrPort(b, from)
	case opSink:
		s.mu.Lock()
		if _, known := s.sinks[from]; known || len(s.sinks) < maxPeers {
			s.sinks[from]++
		}
		s.mu.Unlock()
	case opCount:
		s.mu.Lock()
		n := s.sinks[from]
		s.mu.Unlock()
		binary.BigEndian.PutUint64(b[8:], n)
		_, _ = s.conn.WriteToUDPAddrPort(b[:headerLen], from)
	case opGenerate:
		if len(b) >= requestLen {
			s.generate(b, from)
		}
	}
}

// generate starts a flow to from, unless one runs already: requests are
// repeated until the first datagram has arrived.
func (s *udpServer) generate(b []byte, from netip.AddrPort) {
	src := source{size: int(binary.BigEndian.Uint32(b[4:])), interval: time.Duration(binary.BigEndian.Uint64(b[8:])),
		batch: int(binary.BigEndian.Uint32(b[24:]))}
	length := time.Duration(binary.BigEndian.Uint64(b[16:]))
	if src.size > maxPayload || src.interval < minInterval || src.batch < 1 || src.batch > 64 ||
		length < 0 || length > MaxDuration {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[from] || len(s.busy) >= maxPeers {
		return
	}
	s.busy[from] = true
	s.wg.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, length)
		defer cancel()
		out := make([]byte, max(src.size, headerLen))
		pace(ctx, time.Now(), src.interval, func(i uint32) {
			for k := range src.batch {
				putHeader(out, opSink, i*uint32(src.batch)+uint32(k), 0)
				_, _ = s.conn.WriteToUDPAddrPort(out, from)
			}
		})
	})
}
