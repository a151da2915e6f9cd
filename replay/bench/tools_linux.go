package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/uqtool/uq/replay/netns"
)

// pingGap is how far apart the user's ping sends: its least for anyone but root.
const pingGap = 2 * time.Millisecond

// toolMax is how long a tool may take beyond its measurement.
const toolMax = 10 * time.Second

// tool prepares a command that dies with this thread.
func tool(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return cmd
}

// ping runs the user's ping and returns its mean in nanoseconds.
func ping(ctx context.Context, o order) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, o.For+toolMax)
	defer cancel()
	count := max(o.For/pingGap, 1)
	out, err := tool(ctx, o.Path, "-n", "-q", "-i", fmt.Sprint(pingGap.Seconds()), "-c", fmt.Sprint(int(count)),
		netns.LabAddresses().Server.String()).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("run %s: %w: %s", o.Path, err, lastLine(out))
	}
	return parsePing(string(out))
}

// parsePing finds the mean in "rtt min/avg/max/mdev = 0.1/0.2/0.3/0.1 ms"; other
// systems say round-trip.
func parsePing(out string) (int64, error) {
	for line := range strings.Lines(out) {
		names, values, ok := strings.Cut(line, " = ")
		if !ok || !strings.Contains(names, "min/avg/max") {
			continue
		}
		f := strings.Split(values, "/")
		if len(f) < 3 {
			break
		}
		ms, err := strconv.ParseFloat(f[1], 64)
		if err != nil {
			return 0, fmt.Errorf("read ping's %q: %w", strings.TrimSpace(line), err)
		}
		return int64(math.Round(ms * 1e6)), nil
	}
	return 0, fmt.Errorf("read ping's output: no line with min/avg/max")
}

// serveIperf starts the user's iperf3 for one test and waits until it listens.
func serveIperf(ctx context.Context, o order) error {
	seconds := iperfSeconds(o.For)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+toolMax)
	cmd := tool(ctx, o.Path, "-s", "-1", "-p", fmt.Sprint(iperfPort))
	if err := cmd.Start(); err != nil {
		cancel()
		return fmt.Errorf("run %s: %w", o.Path, err)
	}
	ended := make(chan error, 1)
	go func() {
		defer cancel()
		ended <- cmd.Wait()
	}()
	for range 1000 {
		select {
		case err := <-ended:
			return fmt.Errorf("%s -s ended at once: %w", o.Path, err)
		case <-time.After(2 * time.Millisecond):
		}
		if listening(iperfPort) {
			return nil
		}
	}
	cancel()
	return fmt.Errorf("%s -s does not listen on port %d", o.Path, iperfPort)
}

// listening says whether somebody listens on a TCP port of this namespace.
func listening(port int) bool {
	for _, name := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile("/proc/thread-self/net/" + name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 3 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				return true
			}
		}
	}
	return false
}

// iperfSeconds is how long iperf3 runs: it knows whole seconds only.
func iperfSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// iperf runs the user's iperf3 and returns the receiver's bit/s.
func iperf(ctx context.Context, o order) (int64, error) {
	seconds := iperfSeconds(o.For)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+toolMax)
	defer cancel()
	out, err := tool(ctx, o.Path, "-J", "-c", netns.LabAddresses().Server.String(), "-p", fmt.Sprint(iperfPort), "-t", fmt.Sprint(seconds)).Output()
	bps, perr := parseIperf(out)
	switch {
	case err != nil && perr != nil:
		return 0, fmt.Errorf("run %s: %w: %w", o.Path, err, perr)
	case err != nil:
		return 0, fmt.Errorf("run %s: %w", o.Path, err)
	}
	return bps, perr
}

// parseIperf reads the receiver's bit/s out of iperf3's JSON.
func parseIperf(out []byte) (int64, error) {
	var r struct {
		Error string
		End   struct {
			Received struct {
				Bps float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		}
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return 0, fmt.Errorf("read iperf3's output: %w", err)
	}
	if r.Error != "" {
		return 0, fmt.Errorf("iperf3 says: %s", r.Error)
	}
	return int64(r.End.Received.Bps), nil
}

// lastLine is the last line of a tool's output that says something.
func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}
