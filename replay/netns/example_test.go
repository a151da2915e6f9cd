package netns_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/replay/netns/traffic"
)

// A whole program: it ends up in main three times more, in the router, the
// server and the client, where Hidden takes over.
func Example() {
	capture := func(ctx context.Context, l *netns.Lab) (any, error) {
		// Bind l.Config.Queue here, and close it at the end.
		l.Ready()
		<-ctx.Done() // Serve the queue here.
		return map[string]string{"rule": l.Rule}, nil
	}
	main := func() int {
		if code, ours := netns.Hidden(os.Args, netns.Roles{Capture: capture}); ours {
			return code
		}
		if err := netns.Available(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		b, err := netns.ParseBottleneck("rate 20mbit delay 20ms limit 200")
		if err != nil {
			return 2
		}
		cfg := netns.Config{Direction: netns.Up, Bottleneck: b,
			Traffic: &traffic.Mix{Name: "mix", Duration: 10 * time.Second, Seed: 1}}
		res, err := netns.Run(context.Background(), cfg, netns.Stdio{Out: os.Stdout, Err: os.Stderr})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		for _, r := range res.Traffic {
			fmt.Println(r)
		}
		return res.Code
	}
	_ = main
}
