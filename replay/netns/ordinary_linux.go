package netns

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ordinary makes this process one that may give its children user namespaces.
// To a program whose file has capabilities (setcap) the kernel refuses that: it
// keeps what /proc shows of such a process, and with it the maps of a child's
// namespace, to root. A lab has no use for these capabilities: Ordinary gives
// them up, for good, and lets the kernel show the process again. Other processes
// stay as they are.
func Ordinary() error {
	if shown, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || shown == 1 {
		return nil
	}
	if err := dropCapabilities(); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("show this process in /proc: %w", err)
	}
	return nil
}

// dropCapabilities takes all capabilities from all threads: one that kept some
// could be traced from now on. A program built with cgo cannot.
func dropCapabilities() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps, none [2]unix.CapUserData
	if err := unix.Capget(&hdr, &caps[0]); err != nil || caps == none {
		return err
	}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&none[0])), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
