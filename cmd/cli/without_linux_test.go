package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// envWithout marks the second half of without.
const envWithout = "UQ_TEST_WITHOUT"

// without is a program of the live scripts: "without COMMAND..." runs a command
// as on a machine that has switched user namespaces off.
func without() {
	code, err := 1, error(nil)
	switch {
	case len(os.Args) < 2:
		err = errors.New("usage: without COMMAND...")
	case os.Getenv(envWithout) == "":
		code, err = enterWithout()
	default:
		err = execWithout()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "without:", err)
	}
	os.Exit(code)
}

// enterWithout runs the second half in a user namespace of its own, whose
// limits are its own to set.
func enterWithout() (int, error) {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), envWithout+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	err := cmd.Run()
	if ee := (*exec.ExitError)(nil); errors.As(err, &ee) {
		return ee.ExitCode(), nil
	}
	return 0, err
}

// execWithout switches user namespaces off here, gives all capabilities up and
// becomes the command.
func execWithout() error {
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0o644); err != nil {
		return err
	}
	path, err := exec.LookPath(os.Args[1])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // capabilities are a thread's
	for c := range uintptr(unix.CAP_LAST_CAP + 1) {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	_ = os.Unsetenv(envWithout)
	return syscall.Exec(path, os.Args[1:], os.Environ())
}
