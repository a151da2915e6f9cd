// Package livetest lets a test meet a real NFQUEUE: it runs the test again in
// user and network namespaces of its own, as root or not, and installs rules
// there. Where the system forbids that, the test is skipped with the reason.
package livetest

import "testing"

// envChild marks the process that runs inside the namespaces; its value is the
// test's name.
const envChild = "UQ_LIVETEST"

// Test runs f in a fresh network namespace, whose loopback is up. f and
// everything it calls belong to the test t of a process of their own.
func Test(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	test(t, f)
}

// Bench is Test for benchmarks: it shows the figures of the benchmark inside
// the namespaces.
func Bench(b *testing.B, f func(b *testing.B)) {
	b.Helper()
	bench(b, f)
}
