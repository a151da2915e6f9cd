package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/replay/netns"
)

const (
	// gatherLimit bounds all probes together, and probeLimit each of them.
	gatherLimit = 10 * time.Second
	probeLimit  = 3 * time.Second
)

// Gather runs the probes. Only the end of ctx, or a program that lacks [Hidden],
// is an error.
func Gather(ctx context.Context, o Options) (*Facts, error) {
	// The probes die with the thread that started them: let that be one that
	// stays.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f := &Facts{System: system(), Quick: o.Quick, Root: os.Geteuid() == 0, Sysctl: sysctls()}
	limited, cancel := context.WithTimeout(ctx, gatherLimit)
	defer cancel()
	g := gatherer{ctx: limited, quick: o.Quick, progress: o.Progress}
	if g.progress == nil {
		g.progress = func(string) {}
	}
	f.Host = try[struct{}](&g, probeHost, inHere)
	if !f.Root {
		// As the lab does. What fails for want of it is told by what comes next.
		_ = netns.Ordinary()
	}
	f.UserNS = try[struct{}](&g, probeUserNS, inUserOnly)
	f.NetNS = g.netNS(f.Root)
	f.Clock = try[Clock](&g, probeClock, inHere)
	if f.NetNS.ok() {
		g.private = f.NetNS.Found
		f.gatherPrivate(&g)
	}
	if !o.Quick {
		f.Timers = try[[]Timer](&g, probeTimers, inHere)
	}
	if g.broken != nil {
		return nil, g.broken
	}
	return f, ctx.Err()
}

// gatherPrivate runs the probes that need a network namespace.
func (f *Facts) gatherPrivate(g *gatherer) {
	f.Veth = try[struct{}](g, probeVeth, inPrivate)
	f.Shaper = try[struct{}](g, probeShaper, inPrivate)
	f.Bind = try[struct{}](g, probeBind, inPrivate)
	f.Rule = try[Rule](g, probeRule, inPrivate)
	f.GSO = try[GSO](g, probeGSO, inPrivate)
	f.CapLen = try[CapLen](g, probeCapLen, inPrivate)
	f.CE = try[CE](g, probeCE, inPrivate)
	f.Counters = try[struct{}](g, probeCounters, inPrivate)
	f.TUN = try[struct{}](g, probeTUN, inPrivate)
	f.Lab = g.lab()
	if g.quick {
		f.RcvBuf = try[RcvBuf](g, probeRcvBuf, inPrivate)
	} else {
		f.RcvBuf = try[RcvBuf](g, probeRcvRoom, inPrivate)
		f.Verdicts = try[Verdicts](g, probeVerdicts, inPrivate)
		f.Rate = try[Rate](g, probeRate, inPrivate)
	}
}

// system reads what the machine says of itself.
func system() System {
	s := System{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), UID: os.Geteuid(),
		Governor:       readLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		GovernorDriver: readLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver"),
		ClockSource:    readLine("/sys/devices/system/clocksource/clocksource0/current_clocksource")}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		s.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return s
}

func sysctls() Sysctls {
	return Sysctls{
		AppArmorUserNS: readLine("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
		UsernsClone:    readLine("/proc/sys/kernel/unprivileged_userns_clone"),
		MaxUserNS:      readLine("/proc/sys/user/max_user_namespaces"),
		MaxNetNS:       readLine("/proc/sys/user/max_net_namespaces"),
		RmemMax:        readLine("/proc/sys/net/core/rmem_max"),
		Conntrack:      readLine("/proc/sys/net/netfilter/nf_conntrack_count"),
		ConntrackMax:   readLine("/proc/sys/net/netfilter/nf_conntrack_max"),
	}
}

// readLine reads a file of one line; empty where it cannot.
func readLine(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// place is where a probe runs.
type place int

const (
	inHere     place = iota // in the caller's namespaces
	inUserOnly              // in a user namespace of its own
	inUserNS                // in a user and a network namespace of its own
	inRootNS                // in a network namespace of its own only
	inPrivate               // in one of the last two, whichever there is
)

// attr is how a process gets there.
func (p place) attr() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if p == inUserNS || p == inRootNS {
		a.Cloneflags |= syscall.CLONE_NEWNET
	}
	if p == inUserNS || p == inUserOnly {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return a
}

// gatherer runs probes one after the other.
type gatherer struct {
	ctx     context.Context
	quick   bool
	private NetNS
	broken  error // why no probe can be run at all
	// progress is Options.Progress, or does nothing.
	progress func(probe string)
}

// netNS finds out how to get a network namespace, as the lab does: root does
// without a user namespace where it can.
func (g *gatherer) netNS(root bool) Tried[NetNS] {
	t := Tried[NetNS]{}
	if root {
		if t = try[NetNS](g, probeNetNS, inRootNS); t.ok() {
			return t
		}
	}
	u := try[NetNS](g, probeNetNS, inUserNS)
	u.Found.UserNS = true
	if !u.ok() && t.Done {
		return t // for root the first failure tells more
	}
	return u
}

// lab tries all of it together, in processes of the lab's own.
func (g *gatherer) lab() Tried[struct{}] {
	t := try[struct{}](g, probeLab, inHere)
	if t.Fault != nil {
		t.Fault.Text = strings.TrimPrefix(t.Fault.Text, "no lab here: ")
	}
	return t
}

// where is the place of inPrivate.
func (g *gatherer) where(p place) place {
	switch {
	case p != inPrivate:
		return p
	case g.private.UserNS:
		return inUserNS
	}
	return inRootNS
}

// faultOf sorts an error; nil is none.
func faultOf(err error) *Fault {
	if err == nil {
		return nil
	}
	return &Fault{Kind: kindOf(err), Text: strings.ReplaceAll(err.Error(), "\n", "; ")}
}

func kindOf(err error) Kind {
	is := func(targets ...error) bool {
		return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) })
	}
	switch {
	case is(context.DeadlineExceeded):
		return TimedOut
	case is(nfq.ErrPermission, fs.ErrPermission):
		return Denied
	case is(unix.ENOSPC, unix.EUSERS):
		return Full
	case is(nfq.ErrUnsupported, fs.ErrNotExist, unix.EOPNOTSUPP, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT,
		unix.ENOPROTOOPT, unix.ENODEV, unix.ENXIO, unix.EINVAL, unix.ENOSYS):
		return Absent
	}
	return OtherFailed
}
