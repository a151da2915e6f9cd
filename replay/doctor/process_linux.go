package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

const (
	// hiddenCommand, with the probe's name behind it, is how a program runs
	// itself as a probe.
	hiddenCommand = "__doctor-probe"
	// insideEnv is set on the way there; still set when Gather runs it means that
	// main does not call Hidden.
	insideEnv = "UQ_DOCTOR_PROBE"
	self      = "/proc/self/exe"
	// answerFD is where a probe writes its answer.
	answerFD = 3
	// maxAnswer and maxNoise bound what a probe may write, in bytes.
	maxAnswer = 64 << 10
	maxNoise  = 4 << 10
)

// answer is what a probe's process writes.
type answer struct {
	Fault *Fault          `json:"fault,omitempty"`
	Found json.RawMessage `json:"found,omitempty"`
}

// try runs one probe in a process of its own.
func try[T any](g *gatherer, name string, in place) (t Tried[T]) {
	if g.broken != nil {
		return t
	}
	t.Done = true
	g.progress(name)
	a, err := g.run(name, g.where(in))
	if err == nil && a.Fault == nil {
		err = json.Unmarshal(a.Found, &t.Found)
	}
	if t.Fault = a.Fault; err != nil {
		t.Fault = faultOf(err)
	}
	return t
}

// run starts a probe and waits for its answer and its end.
func (g *gatherer) run(name string, in place) (a answer, err error) {
	if os.Getenv(insideEnv) != "" {
		g.broken = errors.New("run a probe: main does not begin with doctor.Hidden")
		return a, g.broken
	}
	if _, err := os.Stat(self); err != nil {
		g.broken = fmt.Errorf("find uq itself: is /proc mounted? %w", err)
		return a, g.broken
	}
	ctx, cancel := context.WithTimeout(g.ctx, probeLimit)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return a, err
	}
	defer r.Close()
	noise := &limited{room: maxNoise}
	cmd := exec.CommandContext(ctx, self, hiddenCommand, name)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.ExtraFiles = []*os.File{w}
	cmd.Stderr = noise
	cmd.SysProcAttr = in.attr()
	cmd.WaitDelay = time.Second
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return a, startError(ctx, err)
	}
	// A probe that is killed closes the pipe.
	derr := json.NewDecoder(io.LimitReader(r, maxAnswer)).Decode(&a)
	werr := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return a, fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	case derr != nil:
		return a, fmt.Errorf("the probe ended without an answer (%w)%s", errors.Join(derr, werr), noise.firstLine())
	}
	return a, nil
}

// startError leaves the program's own path out of an error.
func startError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("no time left: %w", context.DeadlineExceeded)
	}
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// limited keeps the beginning of what is written to it.
type limited struct {
	buf  bytes.Buffer
	room int
}

func (l *limited) Write(b []byte) (int, error) {
	l.buf.Write(b[:min(len(b), l.room-l.buf.Len())])
	return len(b), nil
}

func (l *limited) firstLine() string {
	line, _, _ := strings.Cut(strings.TrimSpace(l.buf.String()), "\n")
	if line == "" {
		return ""
	}
	return ": " + line
}

// Hidden runs the probe that args (os.Args) may ask for: this program called by
// itself. ours is false for a user's command line.
func Hidden(args []string) (code int, ours bool) {
	if len(args) != 3 || args[1] != hiddenCommand || os.Getenv(insideEnv) == "" {
		return 0, false
	}
	_ = os.Unsetenv(insideEnv)
	runtime.LockOSThread()
	found, err := probe(args[2])
	a := answer{Fault: faultOf(err)}
	if err == nil {
		a.Found, err = json.Marshal(found)
	}
	out := os.NewFile(answerFD, "answer")
	if err != nil && a.Fault == nil || json.NewEncoder(out).Encode(a) != nil {
		return 1, true
	}
	return 0, true
}
