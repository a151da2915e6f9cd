package main

import "github.com/uqtool/uq/replay/netns"

// runHidden handles the invocations uq makes of itself inside namespaces. ours
// is false for a user's command line.
func runHidden(args []string) (code int, ours bool) {
	return netns.Hidden(args, captureInLab)
}
