package thread

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// inThread runs f in a thread that ends with it.
func inThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

func TestTune(t *testing.T) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		t.Fatal(err)
	}
	var cpus []int
	for i := range maxCPU {
		if allowed.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	for i := range len(cpus) + 1 {
		inThread(func() {
			if err := (Options{CPUs: cpus, Nice: 5}).Tune(i); err != nil {
				t.Error(err)
			}
			var got unix.CPUSet
			if err := unix.SchedGetaffinity(0, &got); err != nil || got.Count() != 1 || !got.IsSet(cpus[i%len(cpus)]) {
				t.Errorf("thread %d: on %v, %v, want CPU %d", i, got, err, cpus[i%len(cpus)])
			}
			// The system call counts from 1 (urgent) to 40.
			if n, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err != nil || n != 20-5 {
				t.Errorf("niceness %d, %v, want 5", 20-n, err)
			}
		})
	}
	inThread(func() {
		if err := (Options{CPUs: []int{maxCPU}}).Tune(0); err == nil || !strings.Contains(err.Error(), "pin to CPU 1023") {
			t.Errorf("a CPU that is not there: %v", err)
		}
	})
}

// TestTuneRefused: whoever may not be urgent is told what that needs.
func TestTuneRefused(t *testing.T) {
	inThread(func() {
		// Without rights, whoever runs the test. The thread ends with this.
		var zero unix.Rlimit
		if err := unix.Setrlimit(unix.RLIMIT_RTPRIO, &zero); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setrlimit(unix.RLIMIT_NICE, &zero); err != nil {
			t.Fatal(err)
		}
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&head, &none[0]); err != nil {
			t.Fatal(err)
		}
		for o, want := range map[*Options]string{
			{RT: true}:  "RLIMIT_RTPRIO",
			{Nice: -20}: "ulimit -e",
		} {
			err := o.Tune(0)
			if !(errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "CAP_SYS_NICE") {
				t.Errorf("%+v: %v", *o, err)
			}
		}
	})
}

// TestTuneRT needs the right to it.
func TestTuneRT(t *testing.T) {
	inThread(func() {
		err := (Options{RT: true}).Tune(0)
		policy, _, _ := unix.RawSyscall(unix.SYS_SCHED_GETSCHEDULER, 0, 0, 0)
		if (err == nil) != (policy == unix.SCHED_FIFO) || err != nil && !errors.Is(err, unix.EPERM) {
			t.Errorf("%v, policy %d", err, policy)
		}
	})
}
