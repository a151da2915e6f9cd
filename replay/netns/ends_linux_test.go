package netns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const endsPort = 4711

// serverEndForTest sends "hello" to whoever connects, until ctx ends, and
// reports how many did.
func serverEndForTest(ctx context.Context, e *EndLab) (any, error) {
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(LabAddresses().Server, endsPort)))
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Unix(1, 0)) })()
	e.Ready()
	for n := 0; ; n++ {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if _, err := io.WriteString(c, "hello"); err != nil {
			return n, err
		}
		_ = c.Close()
	}
}

// clientEndForTest is greeted by the server and reports its greeting.
func clientEndForTest(context.Context, *EndLab) (any, error) { return greeting() }

func greeting() (string, error) {
	c, err := net.DialTimeout("tcp4", netip.AddrPortFrom(LabAddresses().Server, endsPort).String(), 5*time.Second)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	return string(b), errors.Join(err, c.Close())
}

// standBetween is the capture of a lab with Ends: no queue, no rule; the router
// reaches the server by itself.
func standBetween(ctx context.Context, l *Lab) (any, error) {
	said, err := greeting()
	l.Ready()
	if err != nil {
		return nil, err
	}
	if _, err := l.Counter(); err == nil {
		return nil, errors.New("there is a rule, which nobody asked for")
	}
	<-ctx.Done()
	return captured{Why: fmt.Sprintf("%s, %v", said, context.Cause(ctx))}, nil
}

func TestLiveEnds(t *testing.T) {
	res, c, _ := runLab(t, Config{Ends: true})
	var said string
	var greeted int
	if err := errors.Join(json.Unmarshal(res.Source, &said), json.Unmarshal(res.Sink, &greeted)); err != nil {
		t.Fatalf("results %s and %s: %v", res.Source, res.Sink, err)
	}
	if said != "hello" || greeted != 2 || c.Why != "hello, command finished" {
		t.Errorf("client was told %q, server greeted %d, capture says %q: want hello, 2 and both", said, greeted, c.Why)
	}
	if res.Queued.Packets != 0 || res.Interrupted {
		t.Errorf("queued %+v, interrupted %v: want nothing", res.Queued, res.Interrupted)
	}
}

func TestValidateEnds(t *testing.T) {
	if err := (&Config{Ends: true}).Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []Config{
		{Ends: true, Command: []string{"true"}},
		{Ends: true, Server: []string{"true"}},
		{Ends: true, CEMark: 1},
		{Ends: true, Bottleneck: &Bottleneck{Rate: 1e6}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "ends of its own") {
			t.Errorf("%+v: %v, want an error about ends", c, err)
		}
	}
}
