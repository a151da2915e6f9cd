package plain

import (
	"context"
	"errors"
	"fmt"

	"github.com/florianl/go-nfqueue/v2"
	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record/nfq"
)

// Accept binds the queue that c describes, calls ready, and accepts every packet
// until ctx ends. The library registers in several steps that packets disturb:
// the rule must come after ready.
func Accept(ctx context.Context, c nfq.Config, ready func()) (Counts, error) {
	var n Counts
	conf := nfqueue.Config{
		NfQueue: c.Queue, MaxPacketLen: uint32(c.CopyRange), MaxQueueLen: uint32(c.MaxLen),
		Copymode: nfqueue.NfQnlCopyPacket, AfFamily: unix.AF_INET,
	}
	if c.GSO {
		conf.Flags = nfqueue.NfQaCfgFlagGSO
	}
	nf, err := nfqueue.Open(&conf)
	if err != nil {
		return n, fmt.Errorf("open queue %d: %w", c.Queue, err)
	}
	if err := nf.Con.SetReadBuffer(c.RcvBuf); err != nil {
		return n, errors.Join(fmt.Errorf("set receive buffer: %w", err), nf.Close())
	}
	// The library calls back from one goroutine, and its error function from the
	// same.
	fn := func(a nfqueue.Attribute) int {
		n.Packets++
		if a.CapLen != nil {
			n.Bytes += uint64(*a.CapLen)
		} else if a.Payload != nil {
			n.Bytes += uint64(len(*a.Payload))
		}
		if err := nf.SetVerdict(*a.PacketID, nfqueue.NfAccept); err != nil {
			n.Errors++
		}
		return 0
	}
	lost := func(error) int {
		if ctx.Err() == nil {
			n.Errors++
		}
		return 0
	}
	if err := nf.RegisterWithErrorFunc(ctx, fn, lost); err != nil {
		return n, errors.Join(fmt.Errorf("register with queue %d: %w", c.Queue, err), nf.Close())
	}
	ready()
	<-ctx.Done()
	err = nf.Close() // waits for the callbacks
	return n, err
}
