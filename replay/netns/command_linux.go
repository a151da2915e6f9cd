package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// notFound is the exit code of a command that could not be started, as a shell
// reports it.
const notFound = 127

// Grace periods of a command that is told to end.
const (
	// interruptGrace is for a command that the terminal has interrupted as
	// well: it may have a summary to print.
	interruptGrace = time.Second
	// termGrace is from SIGTERM to SIGKILL.
	termGrace = 2 * time.Second
)

// command is a user's command in one of the ends.
type command struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the command has ended
	code int           // valid then
}

// startCommand starts a user's command with env beside our own. The caller's
// goroutine must be locked to a thread that outlives the command.
func startCommand(argv, env []string, in, out *os.File) (*command, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	if in != nil {
		cmd.Stdin = in
	}
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	c := &command{cmd: cmd, done: make(chan struct{})}
	go func() {
		c.code = exitCode(cmd.Wait())
		close(c.done)
	}()
	return c, nil
}

// exitCode is a command's exit code as a shell would report it.
func exitCode(err error) int {
	var ee *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &ee):
		return 1
	}
	if ws, ok := ee.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ee.ExitCode()
}

// stop ends the command, if it still runs, and returns its exit code.
func (c *command) stop(interrupted bool) int {
	if interrupted && c.wait(interruptGrace) {
		return c.code
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	if !c.wait(termGrace) {
		_ = c.cmd.Process.Kill()
		<-c.done
	}
	return c.code
}

func (c *command) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.done:
		return true
	case <-t.C:
		return false
	}
}
