package plain_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nfq/plain"
)

// TestLiveAccept: every packet passes, whole lengths are counted although only
// headers are seen, and the program ends when it is told to.
func TestLiveAccept(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		const queue, packets, size = 7, 500, 1000
		sink, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer sink.Close()
		port := uint16(sink.LocalAddr().(*net.UDPAddr).Port)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		c := nfq.Config{Queue: queue, CopyRange: 128, MaxLen: 4096, RcvBuf: 1 << 20, GSO: true}
		n, err := plain.Accept(ctx, c, func() {
			livetest.AddRule(t, queue, 17, port)
			go func() {
				defer cancel()
				receive(ctx, sink, packets)
			}()
			if err := livetest.SendUDPGently("127.0.0.1", port, packets, size); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if n.Packets != packets || n.Bytes != packets*(size+28) || n.Errors != 0 {
			t.Errorf("counts %+v: want %d packets of %d bytes and no error", n, packets, size+28)
		}
	})
}

// receive takes n datagrams, or what comes before ctx ends.
func receive(ctx context.Context, c *net.UDPConn, n int) {
	defer context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })()
	buf := make([]byte, 2048)
	for range n {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}
