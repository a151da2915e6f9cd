package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/uqtool/uq/replay/bench"
	"github.com/uqtool/uq/replay/doctor"
	"github.com/uqtool/uq/replay/inject"
	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/egress"
)

// runHidden handles the invocations uq makes of itself inside namespaces. ours
// is false for a user's command line.
func runHidden(args []string, ports egress.Maker) (code int, ours bool) {
	if code, ours := bench.Hidden(args, ports); ours {
		return code, true
	}
	if code, ours = doctor.Hidden(args); ours {
		return code, true
	}
	return netns.Hidden(args, netns.Roles{
		Capture: func(ctx context.Context, l *netns.Lab) (any, error) {
			keepPipes()
			if l.Config.Wire == nil && !l.Config.Ends {
				return captureInLab(ctx, l, ports)
			}
			r, err := ownRoles(l.Config, ports)
			if err != nil {
				return nil, err
			}
			return r.Capture(ctx, l)
		},
		Source: func(ctx context.Context, e *netns.EndLab) (any, error) {
			r, err := ownRoles(e.Config, ports)
			if err != nil {
				return nil, err
			}
			return r.Source(ctx, e)
		},
		Sink: func(ctx context.Context, e *netns.EndLab) (any, error) {
			r, err := ownRoles(e.Config, ports)
			if err != nil {
				return nil, err
			}
			return r.Sink(ctx, e)
		},
	})
}

// ownRoles is what the processes of a lab with ends of its own do.
func ownRoles(c netns.Config, ports egress.Maker) (netns.Roles, error) {
	if c.Ends {
		return benchRoles(c)
	}
	return replayRoles(c, ports)
}

// replayRoles is what the processes of a replay's lab do.
func replayRoles(c netns.Config, ports egress.Maker) (netns.Roles, error) {
	var t inject.Task
	if err := json.Unmarshal(c.Payload, &t); err != nil {
		return netns.Roles{}, fmt.Errorf("read the lab's task: %w", err)
	}
	t.Ports = ports
	return inject.Roles(&t), nil
}
