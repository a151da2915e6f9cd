//go:build !linux

package livetest

import "testing"

func test(t *testing.T, _ func(*testing.T)) { t.Skip("needs Linux") }
