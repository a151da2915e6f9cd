package netns

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/uqtool/uq/replay/netns/traffic"
)

// The hidden commands of the processes, and the descriptors they inherit.
const (
	routerCommand = "__lab-router"
	serverCommand = "__lab-server"
	clientCommand = "__lab-client"
	probeCommand  = "__lab-probe"

	controlFD = 3 // read
	reportFD  = 4 // write
	extraFD   = 5 // and up: Stdio.Extra

	// insideEnv is set from a process's start until Hidden takes over. Without
	// it a program that forgot Hidden would start itself again and again.
	insideEnv = "UQ_LAB_PROCESS"
)

// message is one line of JSON between two processes. Which fields count
// follows from Kind.
type message struct {
	Kind kind `json:"kind"`

	Config *Config `json:"config,omitempty"` // setup
	Extra  int     `json:"extra,omitempty"`  // setup: inherited files
	Link   *end    `json:"link,omitempty"`   // setup of an end

	Code   int              `json:"code,omitempty"`   // done
	Result *Result          `json:"result,omitempty"` // done of the router
	Report []traffic.Report `json:"report,omitempty"` // done of the client
	Data   json.RawMessage  `json:"data,omitempty"`   // done of a wire's end
	Note   string           `json:"note,omitempty"`   // ready
	Err    string           `json:"err,omitempty"`    // done: why it failed
}

// kind is what a message is about. An end's life: born ─ setup ─ ready ─ start
// (the client's only) ─ done; stop may come at any time after ready.
type kind string

const (
	born  kind = "born"  // up: the namespace is there
	setup kind = "setup" // down: what to be
	ready kind = "ready" // up: links are up, servers listen
	start kind = "start" // down: go
	stop  kind = "stop"  // down: come to an end, keep the network
	done  kind = "done"  // up: nothing runs any more
)

// pipe is a process's line to its parent or child. Closing the control side
// ends the child.
type pipe struct {
	in  *os.File
	out *os.File
	dec *json.Decoder
	enc *json.Encoder
}

func newPipe(in, out *os.File) *pipe {
	return &pipe{in: in, out: out, dec: json.NewDecoder(in), enc: json.NewEncoder(out)}
}

// inherited is the pipe to the parent, an error for somebody who calls a
// hidden command by hand.
func inherited() (*pipe, error) {
	for _, fd := range []int{controlFD, reportFD} {
		var st syscall.Stat_t
		if err := syscall.Fstat(fd, &st); err != nil || st.Mode&syscall.S_IFMT != syscall.S_IFIFO {
			return nil, errors.New("this command is for uq's own use: see uq record --help")
		}
		syscall.CloseOnExec(fd)
	}
	return newPipe(os.NewFile(controlFD, "control"), os.NewFile(reportFD, "report")), nil
}

func (p *pipe) send(m message) error {
	if err := p.enc.Encode(m); err != nil {
		return fmt.Errorf("tell %q: %w", m.Kind, err)
	}
	return nil
}

// expect receives a message that must be of kind k; the other side may say
// instead why it cannot go on.
func (p *pipe) expect(k kind) (message, error) {
	var m message
	if err := p.dec.Decode(&m); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the process ended")
		}
		return m, fmt.Errorf("wait for %q: %w", k, err)
	}
	if m.Err != "" {
		return m, errors.New(m.Err)
	}
	if m.Kind != k {
		return m, fmt.Errorf("wait for %q: got %q", k, m.Kind)
	}
	return m, nil
}

// inheritFiles opens the n files a setup message announces.
func inheritFiles(n int) []*os.File {
	var files []*os.File
	for i := range n {
		syscall.CloseOnExec(extraFD + i)
		files = append(files, os.NewFile(uintptr(extraFD+i), fmt.Sprintf("extra %d", i)))
	}
	return files
}

func (p *pipe) close() { _, _ = p.in.Close(), p.out.Close() }

// spawn starts a hidden command of this program with pipes both ways. The
// calling goroutine must be locked to its thread for as long as the child is
// to live: the kernel kills the child when that thread ends.
func spawn(command string, attr *syscall.SysProcAttr, io Stdio) (*exec.Cmd, *pipe, error) {
	if os.Getenv(insideEnv) != "" {
		return nil, nil, errors.New("start a lab: main does not begin with netns.Hidden")
	}
	controlR, controlW, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	reportR, reportW, err := os.Pipe()
	if err != nil {
		_, _ = controlR.Close(), controlW.Close()
		return nil, nil, err
	}
	cmd := exec.Command("/proc/self/exe", command)
	cmd.Args[0] = os.Args[0] // by which testscript knows its programs
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.ExtraFiles = append([]*os.File{controlR, reportW}, io.Extra...)
	attr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr = attr
	// A nil *os.File in an interface is not nil.
	if io.In != nil {
		cmd.Stdin = io.In
	}
	if io.Out != nil {
		cmd.Stdout = io.Out
	}
	if io.Err != nil {
		cmd.Stderr = io.Err
	}
	err = cmd.Start()
	_, _ = controlR.Close(), reportW.Close()
	p := newPipe(reportR, controlW)
	if err != nil {
		p.close()
		return nil, nil, err
	}
	return cmd, p, nil
}
