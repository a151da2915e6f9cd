package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/replay/netns"
)

// These tell the test binary to be a user's program: to take something away
// from itself, and to print the report of what is left.
const (
	envReport  = "UQ_DOCTOR_REPORT"  // "quick" or "full"
	envWithout = "UQ_DOCTOR_WITHOUT" // what takeAway knows, or "dumping"
)

func TestMain(m *testing.M) {
	if code, ours := Hidden(os.Args); ours {
		os.Exit(code)
	}
	if code, ours := netns.Hidden(os.Args, netns.Roles{}); ours {
		os.Exit(code)
	}
	switch what := os.Getenv(envWithout); what {
	case "":
	case "dumping":
		// As the kernel has it for a program with capabilities of its own (setcap).
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	default:
		if err := takeAway(what); err != nil {
			fmt.Fprintln(os.Stderr, "take away", what+":", err)
			os.Exit(2)
		}
	}
	if how := os.Getenv(envReport); how != "" {
		os.Exit(printReport(how))
	}
	os.Exit(m.Run())
}

func printReport(how string) int {
	f, err := Gather(context.Background(), Options{Quick: how == "quick"})
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(Judge(f))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// takeAway restricts this process, which must be root in a user namespace of
// its own, and runs the program again without capabilities: what a filter or a
// limit of its namespace does, lasts.
func takeAway(what string) error {
	runtime.LockOSThread() // filters and capabilities are a thread's
	var err error
	switch what {
	case "user namespaces":
		err = os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0o644)
	case "network namespaces":
		err = os.WriteFile("/proc/sys/user/max_net_namespaces", []byte("0"), 0o644)
	case "clone":
		// As a container's filter does. The low half of the flags comes first.
		err = refuse(unix.SYS_CLONE, 0, unix.CLONE_NEWUSER|unix.CLONE_NEWNET, unix.EPERM)
	case "netfilter":
		err = refuse(unix.SYS_SOCKET, 2, unix.NETLINK_NETFILTER, unix.EPROTONOSUPPORT)
	case "nothing":
	default:
		err = fmt.Errorf("no such thing")
	}
	if err != nil {
		return err
	}
	if what != "netfilter" {
		for c := range uintptr(unix.CAP_LAST_CAP + 1) {
			if c == unix.CAP_SETFCAP {
				continue // without it uid 0 may not be uid 0 in another namespace
			}
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
				return fmt.Errorf("drop capability %d: %w", c, err)
			}
		}
	}
	if err := os.Unsetenv(envWithout); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", os.Args[:1], os.Environ())
}

// refuse makes the system call nr fail with errno when its argument has one of
// the bits, in its low half: arguments lie little end first here.
func refuse(nr, arg int, bits uint32, errno unix.Errno) error {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		anyBit = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		ret    = unix.BPF_RET | unix.BPF_K
		allow  = 0x7fff0000 // SECCOMP_RET_ALLOW
		fail   = 0x00050000 // SECCOMP_RET_ERRNO
		args   = 16         // offset in struct seccomp_data
	)
	match := unix.SockFilter{Code: anyBit, K: bits, Jf: 1}
	if nr == unix.SYS_SOCKET {
		match.Code = equal // a protocol is a number
	}
	prog := []unix.SockFilter{
		{Code: load, K: 0},
		{Code: equal, K: uint32(nr), Jf: 3},
		{Code: load, K: uint32(args + 8*arg)},
		match,
		{Code: ret, K: fail | uint32(errno)},
		{Code: ret, K: allow},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	f := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&f)), 0, 0)
}
