package main

// runHidden handles the invocations uq makes of itself inside namespaces. ours
// is false for a user's command line.
func runHidden(args []string) (code int, ours bool) {
	return 0, false
}
