package cli

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errLocked says that a trace is being written.
var errLocked = errors.New("another recording writes this file: choose another name, or end that one")

// lock takes the file for this recording, for as long as it, or a process that
// inherited it, has it open. What is no file cannot be taken, and need not.
func lock(f *os.File) error {
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return errLocked
		default:
			return nil // a file system without locks is no reason to stop
		}
	}
}

// unlock gives up a file that stays open.
func unlock(f *os.File) { _ = unix.Flock(int(f.Fd()), unix.LOCK_UN) }
