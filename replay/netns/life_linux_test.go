package netns

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/uqtool/uq/replay/netns/traffic"
)

// TestLiveInterruptAnyTime interrupts labs at every stage of their making.
func TestLiveInterruptAnyTime(t *testing.T) {
	ctx := needLab(t)
	token := mark(t)
	for d := time.Duration(0); d < 60*time.Millisecond; d += 6 * time.Millisecond {
		ctx, cancel := context.WithTimeout(ctx, d)
		res, err := Run(ctx, Config{Traffic: &traffic.Mix{Name: "udp", Duration: time.Minute}}, Stdio{})
		cancel()
		if err != nil || !res.Interrupted {
			t.Errorf("interrupted after %s: result %+v, error %v", d, res, err)
		}
		if left := survivors(token); len(left) != 0 {
			t.Errorf("interrupted after %s: processes %v survive", d, left)
		}
	}
}

// superviseForTest is a process that runs a lab, for tests that signal it. It
// ends like uq does.
func superviseForTest(cfg string) int {
	var c Config
	if err := json.Unmarshal([]byte(cfg), &c); err != nil {
		return 2
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	res, err := Run(ctx, c, Stdio{Out: os.Stdout, Err: os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("interrupted %v, code %d, captured %v\n", res.Interrupted, res.Code, len(res.Capture) > 0)
	return 0
}

// supervisor starts superviseForTest as the head of a process group and waits
// for the command's "up".
func supervisor(t *testing.T, cfg Config) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	b, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "UQ_TEST_SUPERVISOR="+string(b))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(out)
	if line, err := in.ReadString('\n'); line != "up\n" {
		t.Errorf("the command printed %q, error %v: want up", line, err)
	}
	return cmd, in
}

// TestLiveTerminalInterrupt sends SIGINT to the whole process group, as a
// terminal does: the command may print its summary, the capture ends in order.
func TestLiveTerminalInterrupt(t *testing.T) {
	needLab(t)
	token := mark(t)
	cmd, in := supervisor(t, Config{
		Command: []string{"sh", "-c", "trap 'echo summary; exit 5' INT; echo up; while :; do sleep 0.05; done"}})
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(in)
	if want := "summary\ninterrupted true, code 5, captured true\n"; err != nil || string(text) != want {
		t.Errorf("output %q, error %v: want %q", text, err, want)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if left := survivors(token); len(left) != 0 {
		t.Errorf("processes %v survive", left)
	}
}

// TestLiveKillLeavesNothing kills the supervisor with SIGKILL in the midst of
// a lab and looks for survivors.
func TestLiveKillLeavesNothing(t *testing.T) {
	needLab(t)
	token := mark(t)
	cmd, _ := supervisor(t, Config{
		Bottleneck: &Bottleneck{Rate: 10_000_000, Delay: 10 * time.Millisecond},
		Command:    []string{"sh", "-c", "echo up; exec sleep 60"}, Server: []string{"sleep", "60"},
	})
	if n := len(others(token)); n != 6 {
		t.Errorf("%d processes of the lab found, want 6: supervisor, router, two ends, two commands", n)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if left := survivors(token); len(left) != 0 {
		t.Errorf("processes %v survived the supervisor", left)
	}
}

// TestLiveEndLeavesNothing ends a lab in order and looks for survivors, its
// command's background jobs included.
func TestLiveEndLeavesNothing(t *testing.T) {
	ctx := needLab(t)
	token := mark(t)
	if _, err := Run(ctx, Config{Command: []string{"sh", "-c", "sleep 60 & sleep 60 & exit 0"}}, Stdio{}); err != nil {
		t.Fatal(err)
	}
	if left := survivors(token); len(left) != 0 {
		t.Errorf("processes %v survived their lab", left)
	}
}

// mark puts a token into the environment, by which all processes started from
// now on can be found.
func mark(t *testing.T) (token string) {
	t.Helper()
	token = fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())
	t.Setenv("UQ_TEST_TOKEN", token)
	return "UQ_TEST_TOKEN=" + token
}

// survivors is what others finds in the end: what was killed still needs a
// processor to die on.
func survivors(token string) (left []int) {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if left = others(token); len(left) == 0 {
			break
		}
	}
	return left
}

// others lists the processes, but this one, whose environment holds token.
func others(token string) []int {
	var out []int
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(b, []byte(token)) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil && pid != os.Getpid() {
			out = append(out, pid)
		}
	}
	return out
}
