package inject

import (
	"os"
	"syscall"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/uqtool/uq/replay/netns"
)

// startFault makes something go wrong in the router, once some packets have
// come.
func startFault(name string, l *netns.Lab) (stop func()) {
	done := make(chan struct{})
	go func() {
		for came := uint64(0); came < 500; {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-done:
				return
			}
			if c, err := l.Counter(); err == nil {
				came = c.Packets
			}
		}
		switch name {
		case "flush":
			flushQueues(done)
		case "stop":
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) // until the test continues it
		case "out-down", "in-down":
			flap(map[string]string{"out-down": routerOut, "in-down": routerIn}[name])
		}
	}()
	return func() { close(done) }
}

// flushQueues adds and deletes base chains, upon which the kernel gives up
// every packet that it holds.
func flushQueues(done chan struct{}) {
	for range 5 {
		c := &nftables.Conn{}
		t := c.AddTable(&nftables.Table{Name: "fault", Family: nftables.TableFamilyINet})
		c.AddChain(&nftables.Chain{Name: "c", Table: t, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityRef(77)})
		_ = c.Flush()
		c.DelTable(t)
		_ = c.Flush()
		select {
		case <-done:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// flap sets a link down for a while. The kernel forgets the routes over it.
func flap(name string) {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return
	}
	_ = netlink.LinkSetDown(l)
	time.Sleep(300 * time.Millisecond)
	_ = netlink.LinkSetUp(l)
	if name == routerOut {
		_ = netns.RouteAll(routerOut)
	}
}
