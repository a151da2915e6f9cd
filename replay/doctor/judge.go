package doctor

import "fmt"

// judge words what does not depend on the check: a probe that was not run, or
// failed. absent is the finding on a kernel that has no such thing, and load how
// to get it.
func judge[T any](c Check, t Tried[T], absent, load string, good func(*Check, T)) Check {
	switch fault := t.failed(); {
	case !t.Done:
		c.State, c.Finding = Unknown, "not tried: there is no network namespace to try it in"
	case fault == nil:
		c.State = OK
		good(&c, t.Found)
	case fault.Kind == TimedOut:
		c.State, c.Finding = Unknown, fault.Text
		c.Fix = "try again on a less busy machine"
	case fault.Kind == Absent && absent != "":
		c.State, c.Finding, c.Fix = Missing, absent, load
	case fault.Kind == Denied:
		c.State, c.Finding = Missing, "not permitted: "+fault.Text
		c.Fix = "use sudo, or a less restricted container"
	default:
		c.State, c.Finding = Missing, fault.Text
	}
	return c
}

// works makes a finding of text.
func works[T any](text string) func(*Check, T) {
	return func(c *Check, _ T) { c.Finding = text }
}

// labChecks are what a lab stands on, each with the ones before it.
func labChecks(f *Facts) []Check {
	return []Check{
		judgeUserNS(f),
		judgeNetNS(f),
		judge(Check{ID: "veth", Name: "veth", Group: Lab, Needed: true}, f.Veth, "this kernel has no veth",
			"modprobe veth (OpenWrt: package kmod-veth)", works[struct{}]("a pair can be made")),
		judge(Check{ID: "shaper", Name: "shaper (tbf)", Group: Lab, Needed: true}, f.Shaper, "this kernel has no tbf",
			`modprobe sch_tbf (OpenWrt: package kmod-sched-core), or use --bottleneck "delay 20ms"`, works[struct{}]("can be put on a link")),
		judge(Check{ID: "nfqueue_bind", Name: "NFQUEUE", Group: Lab, Needed: true}, f.Bind, "this kernel has no NFQUEUE",
			"modprobe nfnetlink_queue (OpenWrt: package kmod-nfnetlink-queue)", works[struct{}]("a queue can be bound")),
		judge(Check{ID: "queue_rule", Name: "rule to the queue", Group: Lab, Needed: true}, f.Rule,
			"nf_tables knows neither the queue statement nor the NFQUEUE target",
			"modprobe nft_queue, or xt_NFQUEUE and nft_compat (OpenWrt: package kmod-nft-queue)", judgeRule),
		judge(Check{ID: "ce_rule", Name: "ECN marking", Group: Lab, Needed: true}, f.CE, "nf_tables cannot rewrite the ECN field here",
			"use a kernel with nf_tables of Linux 4.5 or newer", judgeCE),
		judge(Check{ID: "lab", Name: "lab", Group: Lab, Needed: true}, f.Lab, "", "", works[struct{}]("namespaces, links, queue and rule work together")),
	}
}

func judgeRule(c *Check, r Rule) {
	c.Measured = r
	c.Finding = "nft's queue statement"
	if !r.Native {
		c.Finding = "the xt NFQUEUE target (there is no nft queue statement)"
	}
	if !r.Owned {
		c.State = Warn
		c.Finding += "; a killed uq would leave its rules on the host"
		c.Fix = "Linux 5.12 takes them away; uq's next run does, too"
	}
}

func judgeCE(c *Check, ce CE) {
	c.Measured = ce
	c.Finding = "a packet that its verdict marked arrived with CE"
	if ce.ECN != 3 {
		c.State, c.Finding = Missing, fmt.Sprintf("a packet that its verdict marked arrived with ECN %d, want CE, 3", ce.ECN)
		c.Fix = "look for other rules on packet marks in this kernel's defaults"
	}
}

func judgeUserNS(f *Facts) Check {
	c := Check{ID: "user_namespaces", Name: "user namespaces", Group: Lab}
	switch fault := f.UserNS.failed(); {
	case f.UserNS.ok():
		c.State, c.Finding = OK, "can be made"
		if !f.Root {
			c.Finding += ", and have rights of their own"
		}
		return c
	case fault == nil || fault.Kind == TimedOut:
		c.State, c.Finding = Unknown, "no answer"
	default:
		c.State = Missing
		c.Finding, c.Fix = explainUserNS(f, fault)
	}
	if f.NetNS.ok() && !f.NetNS.Found.UserNS {
		c.State, c.Fix = OK, ""
		c.Finding += "; not needed as this user"
	}
	return c
}

// explainUserNS says why there are no user namespaces, and the way out.
func explainUserNS(f *Facts, fault *Fault) (finding, fix string) {
	s := f.Sysctl
	switch {
	case s.MaxUserNS == "0":
		return "switched off: sysctl user.max_user_namespaces is 0", "sudo sysctl user.max_user_namespaces=10000, or sudo uq"
	case fault.Kind == Full:
		return "there are too many: " + fault.Text, "raise sysctl user.max_user_namespaces (it is " + s.MaxUserNS + "), or sudo uq"
	case fault.Kind == Absent:
		return "this kernel has none", "use a kernel with CONFIG_USER_NS, or sudo uq"
	case fault.Kind == Denied && s.AppArmorUserNS == "1":
		return "AppArmor takes their rights away: sysctl kernel.apparmor_restrict_unprivileged_userns is 1",
			`sudo uq, or give uq an AppArmor profile with the rule "userns,"`
	case fault.Kind == Denied && s.UsernsClone == "0":
		return "switched off: sysctl kernel.unprivileged_userns_clone is 0", "sudo sysctl kernel.unprivileged_userns_clone=1, or sudo uq"
	case fault.Kind == Denied && f.Root:
		return "not permitted (a container's seccomp filter?): " + fault.Text, ""
	case fault.Kind == Denied:
		return "not permitted (a container's seccomp filter?): " + fault.Text, "sudo uq, or a less restricted container"
	}
	return fault.Text, "sudo uq"
}

func judgeNetNS(f *Facts) Check {
	c := Check{ID: "network_namespaces", Name: "network namespaces", Group: Lab, Needed: true}
	switch fault := f.NetNS.failed(); {
	case f.NetNS.ok():
		c.State, c.Measured = OK, f.NetNS.Found
		c.Finding = "can be made, inside a user namespace"
		if !f.NetNS.Found.UserNS {
			c.Finding = "can be made, without a user namespace"
		}
	case fault == nil || fault.Kind == TimedOut:
		c.State, c.Finding = Unknown, "no answer"
	case f.Sysctl.MaxNetNS == "0":
		c.State, c.Finding = Missing, "switched off: sysctl user.max_net_namespaces is 0"
		c.Fix = "sudo sysctl user.max_net_namespaces=10000"
	case f.UserNS.failed() != nil && !f.Root:
		c.State, c.Finding = Missing, "not without a user namespace"
	case fault.Kind == Denied && f.Root:
		c.State, c.Finding = Missing, "not permitted, in spite of uid 0: "+fault.Text
		c.Fix = "in a container: docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN"
	case fault.Kind == Full:
		c.State, c.Finding = Missing, "there are too many: "+fault.Text
		c.Fix = "raise sysctl user.max_net_namespaces (it is " + f.Sysctl.MaxNetNS + ")"
	case fault.Kind == Absent:
		c.State, c.Finding, c.Fix = Missing, "this kernel has none", "use a kernel with CONFIG_NET_NS"
	default:
		c.State, c.Finding, c.Fix = Missing, fault.Text, "use sudo, or a less restricted container"
	}
	return c
}

// queueChecks are what a queue gives, where there is one.
func queueChecks(f *Facts) []Check {
	cs := []Check{
		judge(Check{ID: "queue_gso", Name: "super-packets (GSO)", Group: Queue}, f.GSO, "this kernel's queues have no GSO flag",
			"use Linux 3.10 or newer, or --gso off: many times slower for TCP", judgeGSO),
		judge(Check{ID: "queue_cap_len", Name: "true length", Group: Queue}, f.CapLen, "cannot be told", "use --copy-range 65531", judgeCapLen),
		judge(Check{ID: "receive_buffer", Name: "receive buffer", Group: Queue}, f.RcvBuf, "cannot be told", "", func(c *Check, b RcvBuf) { judgeRcvBuf(c, b, f) }),
		judgeCounters(f),
		judgeConntrack(f),
	}
	if !f.Quick {
		cs = append(cs,
			judge(Check{ID: "verdict_order", Name: "verdicts out of order", Group: Queue}, f.Verdicts, "", "", judgeVerdicts),
			judge(Check{ID: "live_rate", Name: "rate through a no-op", Group: Queue}, f.Rate, "", "", judgeRate))
	}
	return cs
}

func judgeGSO(c *Check, g GSO) {
	c.Measured = g
	c.Finding = fmt.Sprintf("TCP came in packets of up to %d bytes over an MTU of 1500", g.Largest)
	if g.Largest <= 1500 {
		c.State, c.Finding = Warn, "the flag is accepted, but TCP came in packets of at most 1500 bytes"
		c.Fix = "switch the device's offloads on: ethtool -K DEV tso on gso on"
	}
}

func judgeCapLen(c *Check, l CapLen) {
	c.Measured = l
	if l.Told != l.Sent {
		c.State = Missing
		c.Finding = fmt.Sprintf("a packet of %d bytes was told as %d: the kernel gives no NFQA_CAP_LEN", l.Sent, l.Told)
		c.Fix = "use --copy-range 65531: whole packets, slower"
		return
	}
	c.Finding = fmt.Sprintf("%d bytes were told of a packet of which %d were copied", l.Told, l.Copied)
}

func judgeRcvBuf(c *Check, b RcvBuf, f *Facts) {
	c.Measured = b
	c.Finding = fmt.Sprintf("%d of %d KiB", b.Granted/2>>10, b.Asked>>10) // the kernel counts double
	switch {
	case b.Held > 0 && b.Held >= b.Sent:
		c.Finding += fmt.Sprintf(", room for more than %d unread packets", b.Sent)
	case b.Sent > 0:
		c.Finding += fmt.Sprintf(", room for %d unread packets", b.Held)
	}
	if b.Granted < 2*b.Asked && (f.Quick || b.Held < b.Sent) {
		c.State = Warn
		c.Fix = fmt.Sprintf("sudo sysctl net.core.rmem_max=%d (it is %s), or sudo uq", b.Asked, or(f.Sysctl.RmemMax, "unreadable"))
	}
}

func or(s, alternative string) string {
	if s == "" {
		return alternative
	}
	return s
}

func judgeCounters(f *Facts) Check {
	c := Check{ID: "queue_counters", Name: "kernel's loss counters", Group: Queue}
	if fault := f.Counters.failed(); fault != nil && fault.Kind == Denied {
		c.State, c.Finding = OK, "not readable as this user: the counter of uq's rule tells what found the queue full"
		return c
	}
	return judge(c, f.Counters, "/proc/net/netfilter/nfnetlink_queue is not there", "mount /proc", works[struct{}]("readable"))
}

func judgeConntrack(f *Facts) Check {
	c := Check{ID: "conntrack", Name: "connection tracking", Group: Queue, State: OK,
		Finding: "not there"}
	if f.Sysctl.Conntrack != "" {
		c.Finding = fmt.Sprintf("there, %s of %s flows: a new flow's first packets may be lost when let out in another order",
			f.Sysctl.Conntrack, or(f.Sysctl.ConntrackMax, "?"))
	}
	return c
}

// hostChecks are what lies outside the lab.
func hostChecks(f *Facts) []Check {
	return []Check{judgeHost(f), judgeTUN(f)}
}

func judgeHost(f *Facts) Check {
	c := Check{ID: "record_on_host", Name: "recording here", Group: Host}
	if fault := f.Host.failed(); fault != nil && fault.Kind == Denied {
		c.State, c.Finding = Missing, "no CAP_NET_ADMIN in this network namespace"
		c.Fix = "sudo uq record, or once: sudo setcap cap_net_admin+ep uq (then whoever may run it may record)"
		return c
	}
	return judge(c, f.Host, "this kernel has no NFQUEUE", "sudo modprobe nfnetlink_queue",
		works[struct{}]("uq record --hook and --queue work; a firewall reload meanwhile drops what is queued"))
}

func judgeTUN(f *Facts) Check {
	c := Check{ID: "tun", Name: "TUN", Group: Host}
	if fault := f.TUN.failed(); fault != nil && fault.Kind == Denied {
		c.State, c.Finding = Missing, "/dev/net/tun is not for this user; no command needs it yet"
		c.Fix = "sudo chmod 666 /dev/net/tun: a device belongs to the network namespace it is made in"
		return c
	}
	return judge(c, f.TUN, "there is no /dev/net/tun; no command needs it yet",
		"sudo modprobe tun (OpenWrt: package kmod-tun; a container: --device /dev/net/tun)", works[struct{}]("a device can be made"))
}
