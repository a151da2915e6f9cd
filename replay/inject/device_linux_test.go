package inject

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/corpus"
)

// TestLiveDevice sends out of a device in a namespace of the test's own, which
// it refuses while the device cannot send.
func TestLiveDevice(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "near"
		veth := netlink.NewVeth(attrs)
		veth.PeerName = "far"
		if err := netlink.LinkAdd(veth); err != nil {
			t.Fatal(err)
		}
		b, err := corpus.Read("bulk.zst")
		if err != nil {
			t.Fatal(err)
		}
		to := net.HardwareAddr{2, 0, 0, 0, 0, 9}
		task := &Task{Selection: Selection{To: pkt.Time(300 * time.Millisecond)}, Timer: replay.Sleep}
		send := func() (*Report, error) {
			return SendOn(t.Context(), task, "near", to, func() (*traces.Reader, error) { return traces.NewReader(bytes.NewReader(b)) })
		}
		refused := func(want string) {
			t.Helper()
			if _, err := send(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %s", err, want)
			}
		}
		refused("near is down")
		up(t, "near")
		refused("near has no carrier")
		up(t, "far")
		ring, err := openRing("far", ringFrame)
		if err != nil {
			t.Fatal(err)
		}
		defer ring.close()
		rep, err := send()
		if err != nil {
			t.Fatal(err)
		}
		got := uint64(0)
		for f, ok := ring.next(); ok; f, ok = ring.next() {
			if bytes.Equal(f.bytes[:6], to) {
				got++
			}
			ring.release()
		}
		if n := rep.Balance.Sent; n < 100 || n != rep.Balance.Packets || got != n || rep.Injection.Count != int64(n) || rep.Device.TxPackets < n {
			t.Errorf("%d met: %+v, device %+v", got, rep.Balance, rep.Device)
		}
	})
}

func up(t *testing.T, name string) {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		t.Fatal(err)
	}
}
