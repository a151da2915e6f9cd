//go:build !linux

package cli

// startable is only asked where there are labs.
func startable([]string) error { return nil }
