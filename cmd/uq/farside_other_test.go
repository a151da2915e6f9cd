//go:build !linux

package main

// farside needs a lab.
func farside() {}
