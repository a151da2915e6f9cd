//go:build !linux

package cli

// farside needs a lab.
func farside() {}
