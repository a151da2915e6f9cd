package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// peer is a queue program under way, in a process of its own.
type peer struct {
	cmd *exec.Cmd
	out *bufio.Reader
	err bytes.Buffer
	cpu int32 // the clock of the CPU time it has used
}

// Limits on what a program may take to start and to end.
const (
	startMax = 30 * time.Second
	endMax   = 20 * time.Second
)

// startPeer runs the program of a cell and waits until its queue is bound.
func startPeer(t *Task, c cell) (*peer, error) {
	p := &peer{}
	if c.Row == C {
		p.cmd = exec.Command(t.CProgram, fmt.Sprint(queueNumber), fmt.Sprint(queueMaxLen), fmt.Sprint(copyRange), fmt.Sprint(rcvBuf), map[bool]string{true: "1", false: "0"}[c.GSO])
	} else {
		arg, err := json.Marshal(programTask{Row: c.Row, GSO: c.GSO, Qdisc: t.Qdisc})
		if err != nil {
			return nil, err
		}
		p.cmd = exec.Command("/proc/self/exe", programCommand, string(arg))
		p.cmd.Args[0] = os.Args[0] // by which testscript knows its programs
	}
	p.cmd.Stderr = &p.err
	// It dies with the thread that calls, which the router keeps.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the program: %w", err)
	}
	p.out = bufio.NewReader(out)
	p.cpu = cpuClock(p.cmd.Process.Pid)
	kill := time.AfterFunc(startMax, func() { _ = p.cmd.Process.Kill() })
	line, err := p.out.ReadString('\n')
	kill.Stop()
	if err != nil || line != "ready\n" {
		return nil, p.failed(errors.New("the program did not get ready"))
	}
	return p, nil
}

// failed kills the program and joins err with its last words.
func (p *peer) failed(err error) error {
	_ = p.cmd.Process.Kill()
	werr := p.cmd.Wait()
	if words := strings.TrimSpace(p.err.String()); words != "" {
		return fmt.Errorf("%w: %s", err, words)
	}
	return fmt.Errorf("%w (%w)", err, werr)
}

// floodBegins tells a program in Go to look at its runtime.
func (p *peer) floodBegins(c Row) {
	if p != nil && c != C {
		_ = p.cmd.Process.Signal(syscall.SIGUSR1)
	}
}

// halt stops the program until resume. It waits until all its threads stand.
func (p *peer) halt() error {
	pid := p.cmd.Process.Pid
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		return fmt.Errorf("halt the program: %w", err)
	}
	for end := time.Now().Add(startMax); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		if standing(pid) {
			return nil
		}
	}
	p.resume()
	return errors.New("halt the program: it does not stop")
}

func (p *peer) resume() { _ = unix.Kill(p.cmd.Process.Pid, unix.SIGCONT) }

// standing says whether all threads of a process are stopped (or gone).
func standing(pid int) bool {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(tasks) == 0 {
		return false
	}
	for _, name := range tasks {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// pid (name) state ...; the name may hold anything.
		if f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]); len(f) == 0 || !bytes.ContainsAny(f[0], "TtZX") {
			return false
		}
	}
	return true
}

// grantedRcvBuf is the receive buffer that the kernel gives to a program here.
func grantedRcvBuf() int {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return 0
	}
	defer func() { _ = unix.Close(fd) }()
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, rcvBuf) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, rcvBuf)
	}
	n, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return n
}

// end asks the program to end and returns its account.
func (p *peer) end() (*Program, error) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(endMax, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	var res Program
	if err := json.NewDecoder(p.out).Decode(&res); err != nil {
		return nil, p.failed(fmt.Errorf("read the program's account: %w", err))
	}
	if err := p.cmd.Wait(); err != nil {
		return &res, fmt.Errorf("the program: %w: %s", err, strings.TrimSpace(p.err.String()))
	}
	return &res, nil
}

// used is the CPU time that the program's threads have used so far, in
// nanoseconds: what getrusage says, to the nanosecond and from outside.
func (p *peer) used() int64 {
	var ts unix.Timespec
	if p == nil || unix.ClockGettime(p.cpu, &ts) != nil {
		return 0
	}
	return ts.Nano()
}

// cpuClock is the clock that clock_getcpuclockid(3) gives for a process.
func cpuClock(pid int) int32 {
	const sched = 2 // CPUCLOCK_SCHED: all threads, user and system
	return ^int32(pid)<<3 | sched
}
