package bench

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ThisMachine describes where the program runs.
func ThisMachine() Machine {
	m := Machine{CPU: "unknown CPU", CPUs: runtime.NumCPU(), Kernel: "unknown", Go: runtime.Version()}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if s := cpuModel(string(b)); s != "" {
			m.CPU = s
		}
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(b), " ")
		m.Load, _ = strconv.ParseFloat(first, 64) // 0 where there is none
	}
	return m
}

// cpuModel finds the model in /proc/cpuinfo, whose key depends on the machine.
func cpuModel(info string) string {
	for line := range strings.Lines(info) {
		k, v, ok := strings.Cut(line, ":")
		switch strings.TrimSpace(k) {
		case "model name", "cpu model", "Hardware", "Model":
			if ok {
				return strings.Join(strings.Fields(v), " ")
			}
		}
	}
	return ""
}
