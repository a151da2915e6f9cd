package cli

import (
	"errors"
	"os/exec"
	"runtime"
	"syscall"
)

// startable finds a program that is there and yet cannot be started: without
// its interpreter or loader, or of another machine. The kernel is asked: it
// starts the program, stops it before its first instruction, and kills it.
// Where that is not allowed nothing is known, and nothing said.
func startable(argv []string) error {
	runtime.LockOSThread() // the thread that started it is its tracer
	defer runtime.UnlockOSThread()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	err := cmd.Start()
	if err == nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // says that it was killed
		return nil
	}
	for _, told := range []syscall.Errno{
		syscall.ENOENT, syscall.ENOEXEC, syscall.EACCES, syscall.ENOTDIR, syscall.ELIBBAD, syscall.EINVAL, syscall.ELOOP, syscall.ETXTBSY,
	} {
		if errors.Is(err, told) {
			return told
		}
	}
	return nil
}
