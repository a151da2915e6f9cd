//go:build !linux

package thread

import (
	"fmt"
	"runtime"
)

// Tune needs Linux where it is to do anything.
func (o Options) Tune(int) error {
	if len(o.CPUs) == 0 && o.Nice == 0 && !o.RT {
		return nil
	}
	return fmt.Errorf("tune thread: not supported on %s", runtime.GOOS)
}

// Hurry does nothing here.
func Hurry() {}
