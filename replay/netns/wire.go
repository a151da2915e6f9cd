package netns

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// Wire is a lab without addresses of its own: whatever unicast packet the
// client puts on its link, from and to whatever address, the router forwards
// through the recorded queue to the server's link.
//
//	client ─ eth0 ── to-client ─ router: queue ─ to-server ── eth0 ─ server
//	(Source)                    (Capture)                          (Sink)
//
// Nothing answers: the server's link has another hardware address than the
// packets that reach it. All links take packets of 65535 bytes.
type Wire struct {
	// Drain is how long the capture may go on, once the source has ended, for
	// packets it still holds.
	Drain time.Duration `json:"drain_ns"`
}

// WireMTU is the MTU of a wire's links, in bytes: the largest there is.
const WireMTU = 65535

// Hardware addresses of a wire, locally administered: those of the router's
// links, and the one that packets to the server carry, which no link has.
const (
	routerClientMAC = "02:75:71:00:00:01"
	routerServerMAC = "02:75:71:00:00:02"
	beyondMAC       = "02:75:71:00:00:03"
)

// ErrFinished is the cause of a capture's end when all of the source's packets
// have been sent.
var ErrFinished = errors.New("replay finished")

// validateWire names what a wire cannot have.
func (c *Config) validateWire() error {
	switch {
	case c.Traffic != nil || len(c.Command) > 0 || len(c.Server) > 0:
		return errors.New("lab: a wire has ends of its own: no command, server or traffic")
	case c.Bottleneck != nil || c.direction() != Up:
		return errors.New("lab: a wire has no bottleneck and one direction, up")
	case c.Wire.Drain < 0 || c.Wire.Drain > 10*time.Minute:
		return errors.New("lab: drain: want 0 to 10m")
	}
	return nil
}

// Roles is what a program does in the processes of a lab.
type Roles struct {
	// Capture serves the queue in the router; nil leaves the queue out.
	Capture Capture
	// Source and Sink run at the client's and the server's end of a Wire, or of
	// a lab whose Config has Ends.
	Source, Sink End
}

// End runs at one end of a lab, in a process and a network namespace of its
// own. A sink calls e.Ready when it can receive, and ends when ctx does, after
// the last packet; the source starts then, and the lab ends with it. The result
// travels to Run's caller as JSON.
type End func(ctx context.Context, e *EndLab) (result any, err error)

// EndLab is what an End sees.
type EndLab struct {
	Config Config
	// Link is the device to use.
	Link string
	// HardwareAddr is, in a wire, the destination of every packet: the router's
	// for the source; for the sink, what marks the packets that came through.
	HardwareAddr net.HardwareAddr
	// Files are Stdio.Extra, in order. Their offsets are shared with the other
	// processes.
	Files []*os.File

	ready func()
}

// Ready says that the sink receives.
func (e *EndLab) Ready() { e.ready() }

// WireRouterMAC is the destination of the packets that a wire's source sends.
func WireRouterMAC() net.HardwareAddr { return mac(routerClientMAC) }

func mac(s string) net.HardwareAddr {
	a, err := net.ParseMAC(s)
	if err != nil {
		panic(err) // the constants above are well formed
	}
	return a
}
