//go:build !linux

package cli

func without() {}

func await() {}
