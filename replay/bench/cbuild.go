package bench

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed noop/noop.c
var noopSource []byte

// MakePeers says how to get what BuildC misses.
const MakePeers = "make bench-peers fetches it (Debian: apt-get install gcc libnetfilter-queue-dev libmnl-dev)"

// BuildC compiles the C program into dir and returns its path. peers, if not
// empty, is a directory with include and lib of the two libraries, for where the
// system does not have them. The compiler is $CC, or cc.
func BuildC(ctx context.Context, dir, peers string) (string, error) {
	cc := strings.Fields(os.Getenv("CC"))
	if len(cc) == 0 {
		cc = []string{"cc"}
	}
	if _, err := exec.LookPath(cc[0]); err != nil {
		return "", fmt.Errorf("no C compiler %s: %s, or set CC", cc[0], MakePeers)
	}
	source, program := filepath.Join(dir, "noop.c"), filepath.Join(dir, "noop")
	if err := os.WriteFile(source, noopSource, 0o644); err != nil {
		return "", err
	}
	args := append(cc[1:], "-O2", "-o", program, source)
	if peers != "" {
		var err error
		if peers, err = filepath.Abs(peers); err != nil {
			return "", err
		}
		lib := filepath.Join(peers, "lib")
		// The old kind of run path serves the libraries' own libraries too.
		args = append(args, "-I"+filepath.Join(peers, "include"), "-L"+lib, "-Wl,--disable-new-dtags,-rpath,"+lib)
	}
	args = append(args, "-lnetfilter_queue", "-lmnl")
	out, err := exec.CommandContext(ctx, cc[0], args...).CombinedOutput()
	if err != nil {
		return "", explainCC(string(out), err)
	}
	return program, nil
}

// explainCC says what the compiler missed.
func explainCC(out string, err error) error {
	for line := range strings.Lines(out) {
		switch {
		case strings.Contains(line, "libmnl/") || strings.Contains(line, "libnetfilter_queue/"):
			return errors.New("the headers of libnetfilter_queue and libmnl are missing: " + MakePeers)
		case strings.Contains(line, "-lnetfilter_queue") || strings.Contains(line, "-lmnl"):
			return errors.New("libnetfilter_queue and libmnl are missing: " + MakePeers)
		case strings.Contains(line, "error:"):
			return fmt.Errorf("compile the C program: %s", strings.TrimSpace(line))
		}
	}
	return fmt.Errorf("compile the C program: %w: %s", err, strings.TrimSpace(out))
}

// PeersBeside is the directory with the C program's libraries that make
// bench-peers puts beside a uq of its own, or empty if there is none.
func PeersBeside(executable string) string {
	dir := filepath.Join(filepath.Dir(executable), "peers")
	if st, err := os.Stat(filepath.Join(dir, "include")); err != nil || !st.IsDir() {
		return ""
	}
	return dir
}
