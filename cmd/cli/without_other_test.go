//go:build !linux

package cli

func without() {}
