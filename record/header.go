package record

import (
	"net"
	"runtime"

	"github.com/uqtool/uq/traces"
)

// LinkHeader is what a queue on an Ethernet device counts on top of the IP
// packet, in bytes.
const LinkHeader = 14

// NewHeader starts a trace's header: the machine, the clock's anchor, the
// devices there are and what a recording never holds. Tool, comment and
// scenario are the caller's to add.
func NewHeader(c Clock, how traces.Capture) traces.Header {
	anchor := c.Anchor()
	return traces.Header{
		Host: &traces.Host{
			OS: runtime.GOOS, Arch: runtime.GOARCH,
			Kernel: kernelRelease(), CPUs: runtime.NumCPU(),
		},
		Anchor:      &anchor,
		Capture:     &how,
		Devices:     devices(),
		LinkHeader:  LinkHeader,
		NotCaptured: []string{"payload", "link-layer header", "IP and TCP options"},
	}
}

// devices lists the network devices of this namespace. A system that does not
// tell has none.
func devices() []traces.Device {
	ifs, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var ds []traces.Device
	for _, i := range ifs {
		ds = append(ds, traces.Device{Index: uint32(i.Index), Name: i.Name, MTU: i.MTU})
	}
	return ds
}
