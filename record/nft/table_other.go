//go:build !linux

package nft

import "errors"

// Table is an installed table; only Linux has one.
type Table struct{}

var errLinux = errors.New("netfilter rules: needs Linux")

// Install needs Linux.
func Install(...Rule) (*Table, error) { return nil, errLinux }

// Counter needs Linux.
func (*Table) Counter(int) (Counter, error) { return Counter{}, errLinux }

// String is empty.
func (*Table) String() string { return "" }

// Owned is false.
func (*Table) Owned() bool { return false }

// Native is false.
func (*Table) Native() bool { return false }

// Remove does nothing.
func (*Table) Remove() error { return nil }
