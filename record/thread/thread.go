// Package thread prepares threads and the Go runtime for loops that serve
// packets: where they run, how urgently, and undisturbed by the collector.
package thread

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

// Options say how a loop's thread runs. The zero value asks for nothing special.
type Options struct {
	// CPUs are the processors to choose from: the i-th thread stays on the i-th
	// of them, and around. Empty leaves it to the kernel.
	CPUs []int `json:"cpus,omitempty"`
	// Nice is the niceness, from -20 (urgent) to 19; 0 leaves it as it is.
	Nice int `json:"nice,omitempty"`
	// RT asks for SCHED_FIFO: nothing ordinary runs on the thread's processor
	// while it has something to do.
	RT bool `json:"rt,omitempty"`
}

// maxCPU is the highest processor number that an affinity mask holds.
const maxCPU = 1023

// ParseCPUs reads a list like "0,2-3".
func ParseCPUs(s string) ([]int, error) {
	var cpus []int
	for _, w := range strings.Split(s, ",") {
		from, to, ranged := strings.Cut(w, "-")
		if !ranged {
			to = from
		}
		a, err1 := strconv.Atoi(from)
		b, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || a < 0 || b < a || b > maxCPU {
			return nil, fmt.Errorf("%q: want CPU numbers from 0 to %d, as 0,2-3", s, maxCPU)
		}
		for ; a <= b; a++ {
			cpus = append(cpus, a)
		}
	}
	return cpus, nil
}

// Validate names the first option that cannot work.
func (o Options) Validate() error {
	if o.Nice < -20 || o.Nice > 19 {
		return fmt.Errorf("niceness %d: want -20 (urgent) to 19", o.Nice)
	}
	return nil
}

// Try says whether Tune would work in so many threads, which end with it: what
// cannot start is best known before anything is given up for it.
func (o Options) Try(n int) error {
	for i := range n {
		tried := make(chan error)
		go func() {
			runtime.LockOSThread() // and never unlock: nobody else may have the thread
			tried <- o.Tune(i)
		}()
		if err := <-tried; err != nil {
			return err
		}
	}
	return nil
}

// The runtime's share, which is the whole process's.
var share struct {
	sync.Mutex
	loops, procs, gc int
}

// gcPercent lets the heap grow to nine times what is in use, and to 32 MiB in
// any case, before it is collected. Loops allocate nothing per packet and what
// they need at first is less, so that hardly ever happens.
const gcPercent = 800

// Reserve tells the Go runtime of a loop that keeps one of its processors even
// while it waits, as package nfq's does, and keeps the collector away from it.
// The returned function takes that back.
//
// One more goroutine than there are loops can then run at once, on a machine of
// one processor, too.
func Reserve() (release func()) {
	share.Lock()
	defer share.Unlock()
	if share.loops++; share.loops == 1 {
		share.procs = runtime.GOMAXPROCS(0)
		share.gc = debug.SetGCPercent(gcPercent)
	}
	if n := share.loops + 1; n > runtime.GOMAXPROCS(0) {
		runtime.GOMAXPROCS(n)
	}
	return sync.OnceFunc(func() {
		share.Lock()
		defer share.Unlock()
		if share.loops--; share.loops > 0 {
			return
		}
		debug.SetGCPercent(share.gc)
		if runtime.GOMAXPROCS(0) != share.procs {
			runtime.GOMAXPROCS(share.procs)
		}
	})
}
