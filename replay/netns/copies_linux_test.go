package netns

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/replay/netns/traffic"
	"github.com/uqtool/uq/replay/raw"
)

// copyAll is a capture that accepts every packet and sends a copy of it.
func copyAll(ctx context.Context, l *Lab) (any, error) {
	q, err := nfq.Open(nfq.Config{Queue: l.Config.Queue, CopyRange: nfq.MaxCopyRange})
	if err != nil {
		return nil, err
	}
	s, err := raw.Open()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	down, err := net.InterfaceByName(ToClient)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, q.Shutdown)()
	l.Ready()
	c := &captured{}
	for {
		b, err := q.Receive(nfq.Forever)
		for i := range b.Packets {
			p := &b.Packets[i]
			if p.OutDev == uint32(down.Index) {
				c.Down++
			}
			c.Packets++
			err := q.Send([]nfq.Verdict{{ID: p.ID, Action: nfq.Accept}})
			if err = errors.Join(err, s.Send(p.Payload, p.OutDev, p.Mark)); err != nil {
				return c, err
			}
		}
		if errors.Is(err, io.EOF) {
			return c, q.Close()
		}
		if err != nil {
			return c, err
		}
	}
}

// TestLiveDelayedCopies: where both directions are recorded, the copies on the way
// down take the path's delay as their originals do, and none meets the capture.
func TestLiveDelayedCopies(t *testing.T) {
	cfg := Config{Direction: Both, Bottleneck: &Bottleneck{Delay: 20 * time.Millisecond}, Payload: []byte(`"copies"`),
		Traffic: &traffic.Mix{Name: "udp", Duration: 300 * time.Millisecond, Seed: 1}}
	res, c, _ := runLab(t, cfg)
	if c.Down == 0 || c.Down == c.Packets || res.Delayed == nil || res.Delayed.Packets != 2*c.Down {
		t.Errorf("%d packets of %d went down, %+v took the delay: want twice as many", c.Down, c.Packets, res.Delayed)
	}
	if res.Queued.Packets != c.Packets {
		t.Errorf("the rule counted %d packets, the capture %d", res.Queued.Packets, c.Packets)
	}
}
