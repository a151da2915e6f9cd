//go:build !linux

package traffic

import (
	"errors"
	"net"
	"time"
)

var errLinux = errors.New("needs Linux")

func setCongestion(*net.TCPConn, string) error { return errLinux }

// CheckCongestion cannot tell.
func CheckCongestion(string) error { return nil }

func bytesAcked(*net.TCPConn) (n uint64, note string) { return 0, "bytes written, not acknowledged" }

func setSegment(_ *net.UDPConn, n int) error {
	if n == 0 {
		return nil
	}
	return errLinux
}

func nap(d time.Duration) { time.Sleep(d) }
