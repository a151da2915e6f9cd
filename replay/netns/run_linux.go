package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stopTimeout is how long a router may take from the request to stop until it
// has gone: its capture flushes, its children end. Then it is killed.
const stopTimeout = 30 * time.Second

// Run builds the lab, runs it until the command or the traffic is over, and
// takes it down. When ctx ends before, the command is told to end, the capture
// finishes in order and the result says Interrupted; that is no error.
//
// The lab lives in processes of their own: this one only waits. A command's
// failure is in Result.Code, not an error.
func Run(ctx context.Context, cfg Config, stdio Stdio) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Deadline, _ = ctx.Deadline()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, p, err := spawnRouter(routerCommand, stdio)
	if err != nil {
		return nil, fmt.Errorf("start lab: %w", explain(err))
	}
	defer p.close()
	stopWatch := superviseStop(ctx, cmd)
	defer stopWatch()
	var res message
	if err = p.send(message{Kind: setup, Config: &cfg, Extra: len(stdio.Extra)}); err == nil {
		res, err = p.expect(done)
	}
	if werr := cmd.Wait(); err != nil && werr != nil && res.Err == "" {
		err = fmt.Errorf("%w (%w)", err, werr)
	}
	switch {
	case err != nil && res.Result == nil && ctx.Err() != nil:
		return &Result{Interrupted: true}, nil // before the router could answer
	case err != nil:
		return res.Result, fmt.Errorf("lab: %w", err)
	}
	return res.Result, nil
}

// superviseStop passes the end of ctx on to the router and kills it when it
// does not comply. The returned function ends the watch.
func superviseStop(ctx context.Context, cmd *exec.Cmd) func() {
	gone := make(chan struct{})
	go func() {
		select {
		case <-gone:
			return
		case <-ctx.Done():
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-gone:
		case <-time.After(stopTimeout):
			_ = cmd.Process.Kill()
		}
	}()
	return func() { close(gone) }
}

// spawnRouter starts a hidden command in a network namespace of its own. Root
// needs no user namespace, and is better off without: in one it could not open
// the files of other users.
func spawnRouter(command string, stdio Stdio) (*exec.Cmd, *pipe, error) {
	if os.Geteuid() == 0 {
		cmd, p, err := spawn(command, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}, stdio)
		if err == nil {
			return cmd, p, nil
		}
	} else if err := Ordinary(); err != nil {
		return nil, nil, err
	}
	return spawn(command, &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}, stdio)
}

// probeTimeout bounds Available.
const probeTimeout = 10 * time.Second

// Available says whether a lab can run here: nil, or the reason in one line. It
// tries: namespaces, a veth, a queue and its rule.
func Available() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, p, err := spawnRouter(probeCommand, Stdio{})
	if err != nil {
		return fmt.Errorf("no lab here: %w", explain(err))
	}
	defer p.close()
	kill := time.AfterFunc(probeTimeout, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	_, err = p.expect(done)
	_ = cmd.Wait()
	if err != nil {
		return fmt.Errorf("no lab here: %w", err)
	}
	return nil
}

// hint is an error in words that help; what the kernel said, which names
// neither reason nor way out, stays inside.
type hint struct {
	text string
	err  error
}

func (h *hint) Error() string { return h.text }
func (h *hint) Unwrap() error { return h.err }

// explain says why namespaces cannot be had, and the way out.
func explain(err error) error {
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EUSERS)
	denied := errors.Is(err, os.ErrPermission)
	switch {
	case !full && !denied:
		if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
			return pe.Err // the path is this program's
		}
		return err
	case denied && readSysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
		return &hint{`AppArmor restricts unprivileged user namespaces: use sudo, or give uq an AppArmor profile with "userns,"`, err}
	case readSysctl("user/max_user_namespaces") == "0":
		return &hint{"user namespaces are switched off (sysctl user.max_user_namespaces is 0): use sudo, or raise it", err}
	case readSysctl("kernel/unprivileged_userns_clone") == "0":
		return &hint{"unprivileged user namespaces are switched off (sysctl kernel.unprivileged_userns_clone is 0): use sudo", err}
	case full:
		return &hint{"too many namespaces: raise sysctl user.max_user_namespaces and user.max_net_namespaces", err}
	}
	return &hint{"namespaces are not permitted here (a container's seccomp filter?): use sudo or a less restricted container", err}
}

// readSysctl returns a sysctl's value, empty where there is none.
func readSysctl(name string) string {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Hidden runs the hidden command that args (os.Args) may hold: this program
// called by itself inside a namespace. ours is false for a user's command line.
// roles is what it does there.
func Hidden(args []string, roles Roles) (code int, ours bool) {
	if len(args) != 2 {
		return 0, false
	}
	switch args[1] {
	case routerCommand, serverCommand, clientCommand, probeCommand:
	default:
		return 0, false
	}
	_ = os.Unsetenv(insideEnv)
	p, err := inherited()
	if err != nil {
		fmt.Fprintf(os.Stderr, "uq: %v\n", err)
		return 2, true
	}
	// Children die with the thread that started them: let that be this one.
	runtime.LockOSThread()
	switch args[1] {
	case routerCommand:
		err = p.send(routerMain(p, roles.Capture))
	case probeCommand:
		err = p.send(probeMain())
	case clientCommand:
		endMain(p, false, roles.Source)
	default:
		endMain(p, true, roles.Sink)
	}
	if err != nil {
		return 1, true
	}
	return 0, true
}
