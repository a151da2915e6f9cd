package livetest

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// UDPSink listens on a loopback port and drops what comes. The address is
// "127.0.0.1" or "::1"; the port is returned.
func UDPSink(t testing.TB, addr string) uint16 {
	t.Helper()
	port, _ := UDPLongest(t, addr)
	return port
}

// UDPLongest is UDPSink that tells the length of the longest datagram so far.
func UDPLongest(t testing.TB, addr string) (port uint16, longest func() int) {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(addr)})
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	var most atomic.Int64
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, _, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			most.Store(max(most.Load(), int64(n)))
		}
	}()
	return uint16(c.LocalAddr().(*net.UDPAddr).Port), func() int { return int(most.Load()) }
}

// SendThrough sends datagrams to the port one by one, each longer than all
// before, until one arrives, and returns how many that took: a queue's reader has
// come to rest then, and has seen every gap in the packets' ids.
func SendThrough(t testing.TB, addr string, port uint16, longest func() int) (sent int) {
	t.Helper()
	const size, tries = 1000, 300 // beyond what others send
	for sent < tries {
		sent++
		if err := SendUDP(addr, port, 1, size+sent); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if longest() == size+sent {
				return sent
			}
		}
	}
	t.Fatalf("of %d datagrams none arrives", sent)
	return 0
}

// SendUDP sends n datagrams of size payload bytes each to the port, as fast as
// it can. Errors of single datagrams are not its business.
func SendUDP(addr string, port uint16, n, size int) error {
	return send(addr, port, n, size, 0)
}

// SendUDPGently is SendUDP with a pause of a millisecond every 64 datagrams, so
// that a small receive buffer on a busy machine loses none.
func SendUDPGently(addr string, port uint16, n, size int) error {
	return send(addr, port, n, size, time.Millisecond)
}

func send(addr string, port uint16, n, size int, pause time.Duration) error {
	c, err := net.Dial("udp", net.JoinHostPort(addr, fmt.Sprint(port)))
	if err != nil {
		return err
	}
	defer c.Close()
	buf := make([]byte, size)
	for i := range n {
		if pause > 0 && i%64 == 63 {
			time.Sleep(pause)
		}
		_, _ = c.Write(buf)
	}
	return nil
}

// BulkTCP sends n bytes over one loopback connection and returns when the other
// side has read them all.
func BulkTCP(l net.Listener, n int) error {
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer c.Close()
		buf, got := make([]byte, 1<<16), 0
		for got < n {
			k, err := c.Read(buf)
			if got += k; err != nil {
				done <- fmt.Errorf("read %d of %d bytes: %w", got, n, err)
				return
			}
		}
		done <- nil
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	buf := make([]byte, 1<<16)
	for sent := 0; sent < n; sent += len(buf) {
		if _, err := c.Write(buf[:min(len(buf), n-sent)]); err != nil {
			return err
		}
	}
	return <-done
}
