package cli

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/metrics"
)

// listenMetrics opens the socket that --metrics names, before anything else is
// done; nil without one. It is a file because the lab's router, which has
// another network, serves on it.
func listenMetrics(addr string, words io.Writer) (*os.File, error) {
	if addr == "" {
		return nil, nil
	}
	addr, err := metrics.ParseAddr(addr)
	if err != nil {
		return nil, usageErrorf("--metrics %w", err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		if oe := (*net.OpError)(nil); errors.As(err, &oe) {
			err = oe.Err
		}
		return nil, fmt.Errorf("--metrics %s: %w: choose another port or address", addr, err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return nil, fmt.Errorf("--metrics %s: %w", addr, err)
	}
	fmt.Fprintf(words, "metrics at http://%s/metrics\n", l.Addr())
	return f, nil
}

// monitor is what follows a recording: a line on the terminal and, where asked
// for, metrics.
type monitor struct {
	status *recordStatus
	rec    *metrics.Recording // nil without
	server *metrics.Server
}

// newMonitor serves metrics on the listening socket in f, unless that is nil.
func newMonitor(set recordSettings, in surroundings) (*monitor, error) {
	m := &monitor{status: newRecordStatus(os.Stderr, set)}
	if in.metrics == nil {
		return m, nil
	}
	l, err := net.FileListener(in.metrics)
	if err != nil {
		return nil, fmt.Errorf("serve metrics: %w", err)
	}
	info := metrics.Info{Version: toolName(), Queue: strconv.Itoa(int(in.queue)), Mode: in.mode}
	if set.Scheduler != nil {
		info.Qdisc, info.Link = set.Scheduler.Qdisc, set.Scheduler.Link
	}
	m.rec = metrics.New(info)
	m.server, err = metrics.Serve(l, m.rec)
	return m, err
}

// show takes the newest progress.
func (m *monitor) show(p record.Progress) {
	m.status.show(p)
	if m.rec != nil {
		m.rec.Update(p)
	}
}

// meter is for the loop; nil where nobody looks.
func (m *monitor) meter() *record.Meter {
	if m.rec == nil {
		return nil
	}
	return &m.rec.Meter
}

// close takes the line away and ends the server.
func (m *monitor) close() error {
	m.status.clear()
	if m.server == nil {
		return nil
	}
	return m.server.Close()
}
