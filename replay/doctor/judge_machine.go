package doctor

import (
	"fmt"
	"strings"
	"time"
)

// Where a figure is worth a warning.
const (
	// slowClock in ns: the vDSO takes 20 to 60, a system call several hundred.
	slowClock = 150
	// lateTimer is where the timing that queues on WiFi need ends.
	lateTimer = 300 * time.Microsecond
	// linearSearch is how many times dearer the newest packet's verdict is than
	// the oldest's, with thousands held, on a kernel that searches a list.
	linearSearch = 4
	// slowRate in packets/s is 120 Mbit/s of full packets.
	slowRate = 10_000
	// fqCodelLimit is the packets that a default fq_codel may hold.
	fqCodelLimit = 10_240
)

// machineChecks are clocks, processors and the kernel.
func machineChecks(f *Facts) []Check {
	cs := []Check{judgeCPU(f), judgeClock(f)}
	if !f.Quick {
		cs = append(cs, judge(Check{ID: "timer_error", Name: "timers", Group: Machine}, f.Timers, "", "", judgeTimers))
	}
	return append(cs, judgeKernel(f))
}

func judgeCPU(f *Facts) Check {
	c := Check{ID: "cpus", Name: "processors", Group: Machine, State: OK}
	c.Finding = fmt.Sprintf("%d", f.CPUs)
	if f.Governor != "" {
		c.Finding += ", frequency governor " + f.Governor
	}
	switch {
	case f.CPUs < 2:
		c.State, c.Fix = Warn, "give uq two: --timer hybrid and spin poll, and what sends must run beside that; else --timer sleep"
	case (f.Governor == "powersave" || f.Governor == "conservative") && !strings.Contains(f.GovernorDriver, "pstate"):
		c.State, c.Fix = Warn, "for steady times: sudo cpupower frequency-set -g performance"
	}
	return c
}

func judgeClock(f *Facts) Check {
	c := Check{ID: "clock", Name: "clock", Group: Machine}
	return judge(c, f.Clock, "", "", func(c *Check, k Clock) {
		c.Measured = k
		c.Finding = fmt.Sprintf("%s, %d ns a reading", or(f.ClockSource, "unknown source"), k.ReadNs)
		if k.ReadNs > slowClock {
			c.State = Warn
			c.Fix = "each packet takes several: choose tsc or another source read without a system call (boot with clocksource=tsc)"
		}
	})
}

func judgeTimers(c *Check, ts []Timer) {
	c.Measured = ts
	var words []string
	late := time.Duration(0)
	for _, t := range ts {
		words = append(words, fmt.Sprintf("%s %s/%s", t.Name, µs(t.P50Ns), µs(t.P99Ns)))
		if t.Name == "hybrid" {
			late = time.Duration(t.P99Ns)
		}
	}
	c.Finding = "late by (p50/p99 of 200, µs): " + strings.Join(words, ", ")
	if len(ts) > 0 {
		c.Finding = strings.Replace(c.Finding, "of 200", fmt.Sprintf("of %d", ts[0].Wakes), 1)
	}
	if late > lateTimer {
		c.State = Warn
		c.Fix = "leave the processors to uq, or use --timer spin; on a virtual machine ask for processors of its own"
	}
}

// µs prints nanoseconds.
func µs(ns int64) string {
	if ns < 10_000 {
		return fmt.Sprintf("%.1f", float64(ns)/1e3)
	}
	return fmt.Sprintf("%.0f", float64(ns)/1e3)
}

// judgeVerdicts tells a kernel that searches its list of packets, from the
// oldest on, for each verdict.
func judgeVerdicts(c *Check, v Verdicts) {
	c.Measured = v
	c.Finding = fmt.Sprintf("%s µs each from the oldest, %s from the newest, with %d held", µs(v.OldestNs), µs(v.NewestNs), v.Held)
	if v.NewestNs < linearSearch*max(v.OldestNs, 1) {
		c.Finding += ": a scheduler may release in any order"
		return
	}
	c.State = Warn
	// From the newest the mean search is over half of those held.
	full := v.OldestNs + (v.NewestNs-v.OldestNs)*fqCodelLimit/int64(max(v.Held, 1))
	c.Finding += fmt.Sprintf(": the kernel searches; a full fq_codel (%d) may come down to some %d verdicts/s", fqCodelLimit, int64(time.Second)/max(full, 1))
	c.Fix = "Linux 6.12.75, 6.18.14, 6.19.4 or newer has a hash table (e19079adcd26); else keep queues short: limit 1000"
}

func judgeRate(c *Check, r Rate) {
	c.Measured = r
	c.Finding = fmt.Sprintf("%d packets/s of %d bytes over loopback, %d without a queue", r.Queued, r.Bytes, r.Plain)
	switch {
	case r.Missing > 0:
		c.State = Warn
		c.Finding += fmt.Sprintf("; %d lost", r.Missing)
		c.Fix = "raise sysctl net.core.rmem_max, or leave the processors to uq"
	case r.Queued < slowRate:
		c.State, c.Fix = Warn, "leave the processors to uq; a virtual machine that shares them is slow at this"
	}
}

func judgeKernel(f *Facts) Check {
	c := Check{ID: "kernel_traps", Name: "kernel", Group: Machine, State: OK}
	v, ok := parseVersion(f.Kernel)
	if !ok {
		c.State, c.Finding = Unknown, fmt.Sprintf("version %q: cannot tell which faults it has", f.Kernel)
		return c
	}
	var harms, fixes []string
	newest := version{}
	for _, t := range traps() {
		fixed, has := t.in(v)
		if !has {
			continue
		}
		harms = append(harms, t.name+": "+t.harm)
		fixes = append(fixes, t.avoid)
		if newest.before(fixed) {
			newest = fixed
		}
	}
	if len(harms) == 0 {
		c.Finding = fmt.Sprintf("%s: none of the %d known faults that matter here", v, len(traps()))
		return c
	}
	c.State = Warn
	c.Finding = fmt.Sprintf("%s may have %s", v, strings.Join(harms, "; "))
	c.Fix = fmt.Sprintf("Linux %s, or a distribution's kernel with the fix; until then %s", newest, strings.Join(fixes, ", "))
	return c
}
