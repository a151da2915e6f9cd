package cli

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// awaitLimit bounds what await waits.
const awaitLimit = time.Minute

// await is a program of the live scripts, which wait for what they need instead
// of a time: "await FILE [BYTES]" for a file that has grown so large, "await
// interruptible PID" for a process to take interrupts. A shell starts what is to
// run beside it with interrupts ignored, and uq asks for them when it is up.
func await() {
	done, err := awaited(os.Args[1:])
	for end := time.Now().Add(awaitLimit); err == nil && !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			err = fmt.Errorf("%s: not in %s", strings.Join(os.Args[1:], " "), awaitLimit)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "await:", err)
		os.Exit(1)
	}
}

// awaited makes the condition of its words.
func awaited(args []string) (func() bool, error) {
	switch {
	case len(args) == 2 && args[0] == "interruptible":
		return func() bool { return takesInterrupts(args[1]) }, nil
	case len(args) == 1:
		args = append(args, "0")
		fallthrough
	case len(args) == 2:
		size, err := strconv.ParseInt(args[1], 10, 64)
		return func() bool {
			st, err := os.Stat(args[0])
			return err == nil && st.Size() >= size
		}, err
	}
	return nil, errors.New("usage: await FILE [BYTES] | interruptible PID")
}

// takesInterrupts says whether a process does not ignore SIGINT.
func takesInterrupts(pid string) bool {
	status, _ := os.ReadFile("/proc/" + pid + "/status")
	_, after, _ := strings.Cut(string(status), "\nSigIgn:\t")
	mask, _, _ := strings.Cut(after, "\n")
	ignored, err := strconv.ParseUint(mask, 16, 64)
	return err == nil && ignored&(1<<(syscall.SIGINT-1)) == 0
}
