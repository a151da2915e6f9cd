package inject

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/traces"
)

// SendOn sends t's selection out of a device of this network namespace, to the
// hardware address to, without a lab, a queue or a scheduler. Nobody meets the
// packets: the report ends with what the kernel has taken. The packets leave
// the machine; asking whether they may is the caller's job.
func SendOn(ctx context.Context, t *Task, device string, to net.HardwareAddr, open func() (*traces.Reader, error)) (*Report, error) {
	if err := checkDevice(device); err != nil {
		return nil, err
	}
	log, err := emptyFile("uq-replay-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	defer log.Close()
	before := readDevice(device)
	s, err := openSource(t, device, to, open, log)
	if err != nil {
		return nil, err
	}
	defer s.sock.close()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread is tuned
		if err := t.tune(0); err != nil {
			done <- err
			return
		}
		done <- s.run(ctx)
	}()
	if err := <-done; err != nil {
		return nil, err
	}
	r := &run{task: t, inj: newSpread(), rel: newSpread(), del: newSpread(), files: make([]*os.File, taskFiles)}
	r.files[sentFile] = log
	r.rep.Retries, r.rep.Interrupted = s.result.Retries, ctx.Err() != nil
	d := readDevice(device).since(before)
	r.rep.Device = &d
	if s.result.Damage != "" {
		r.rep.Notes = append(r.rep.Notes, s.result.Damage)
	}
	if err := r.sentOnly(); err != nil {
		return nil, err
	}
	return &r.rep, nil
}

// checkDevice names what keeps a device from sending.
func checkDevice(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find device %s: %w", name, err)
	}
	a := l.Attrs()
	switch {
	case len(a.HardwareAddr) != 6 || a.Flags&net.FlagLoopback != 0:
		return fmt.Errorf("device %s is no Ethernet device: choose another", name)
	case a.Flags&net.FlagUp == 0:
		return fmt.Errorf("device %s is down: set it up first, with ip link set %s up", name, name)
	case a.RawFlags&unix.IFF_LOWER_UP == 0:
		return fmt.Errorf("device %s has no carrier: plug it in, or set its peer up", name)
	}
	return nil
}

// sentOnly accounts for a run of which there is only the sent log.
func (r *run) sentOnly() error {
	sent, err := r.section(sentFile)
	if err != nil {
		return err
	}
	t := newTally()
	for log := newLogReader(sent); ; {
		var e sentEntry
		ok, err := log.next(e.get)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		f := &Fate{Due: e.due, At: e.at, Why: e.why, Errno: e.errno}
		t.add(f)
		r.measure(f)
	}
	r.rep.Balance, r.rep.Injection, r.rep.SpanNs = t.b, r.inj.histogram(), r.last-r.first
	return nil
}
