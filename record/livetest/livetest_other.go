//go:build !linux

package livetest

import "testing"

func test(t *testing.T, _ func(*testing.T)) { t.Skip("needs Linux") }

func bench(b *testing.B, _ func(*testing.B)) { b.Skip("needs Linux") }
