package profile

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// rattanLinkLayer is what rattan's bw_type LinkLayer counts besides the IP packet:
// preamble, Ethernet header, checksum and gap between frames, in bytes.
const rattanLinkLayer = 38

// bandwidth takes the cell that has the rate, and the queue.
func (r *rattan) bandwidth(id string, f *fields, replayed bool) error {
	if r.bw != "" {
		return fmt.Errorf("cell %q has a bandwidth already: a uq link has one bottleneck: take one out of [links]", r.bw)
	}
	r.bw = id
	counted, err := f.layer()
	if err != nil {
		return err
	}
	if replayed {
		err = r.replayed(f, counted)
	} else {
		err = r.constant(f, counted)
	}
	if err != nil {
		return err
	}
	queue := f.text("queue")
	config := f.table("queue_config")
	if err := f.done(); err != nil {
		return err
	}
	if len(r.opts.Qdiscs) > 0 {
		r.note("--qdisc replaces the config's queue, %q.", queue)
		return nil
	}
	if err := r.queue(queue, &fields{tree: config, of: "queue_config."}); err != nil {
		return fmt.Errorf("%w, or give the qdiscs to run with --qdisc", err)
	}
	return nil
}

// constant takes a rate.
func (r *rattan) constant(f *fields, counted int) error {
	bps, limited, err := f.rate("bandwidth")
	if err != nil {
		return err
	}
	if !limited {
		r.Wire = "unlimited"
		return nil
	}
	r.Wire = "rate " + rateText(bps)
	over := counted - r.opts.LinkHeader
	if over < -64 {
		return fmt.Errorf("the trace's link-layer header of %d bytes is longer than uq's overhead can take away: import with another --trace", r.opts.LinkHeader)
	}
	if over != 0 {
		r.Rest = fmt.Sprintf("overhead %d", over)
		r.note("rattan counts %d bytes besides the IP packet; with the %d of the trace's link-layer header that is overhead %d. With a trace of another header it is another overhead.", counted, r.opts.LinkHeader, over)
	}
	return nil
}

// replayed takes a mahimahi trace.
func (r *rattan) replayed(f *fields, counted int) error {
	name, older, inline := f.text("trace"), f.text("mahimahi_trace"), f.text("trace_config_str")
	if name == "" {
		name = older
	}
	switch ext := path.Ext(name); {
	case inline != "", ext == ".json", ext == ".toml":
		return errors.New("a bandwidth of netem-trace's models has no equal in uq: write it as a mahimahi trace, or as a file for uq's rate-file in a scenario of your own")
	case name == "":
		return errors.New("has no trace")
	case strings.Contains(name, "$"):
		return fmt.Errorf("trace %q has a variable: write the name out", name)
	}
	r.Wire, r.File = "schedule", name
	r.note("rattan plays a mahimahi trace as a rate in each millisecond, 1500 bytes an opportunity, counting %d bytes besides the IP packet; uq's schedule plays it as mahimahi does: at each opportunity 1504 bytes, counting 4.", counted)
	return nil
}

// queue translates rattan's queue.
func (r *rattan) queue(kind string, f *fields) error {
	switch kind {
	case "", "Infinite":
		r.Qdiscs = []string{fmt.Sprintf("pfifo limit %d", maxBuffer)}
		return f.done()
	case "DropTail":
		return r.dropTail(f)
	case "CoDel":
		return r.codel(f)
	case "DropHead":
		return errors.New("queue DropHead has no equal in uq: write DropTail")
	case "Red", "RED", "ARed", "ARED", "Pie", "PIE":
		return fmt.Errorf("queue %s has other parameters than tc's: write its tc words", kind)
	}
	return fmt.Errorf("unknown queue %q: uq takes Infinite, DropTail and CoDel", kind)
}

// limits are those of rattan's queues; 0 is none.
func (f *fields) limits() (packets, bytes uint64, counted int, err error) {
	counted, err = f.layer()
	for _, l := range []struct {
		key string
		to  *uint64
	}{{"packet_limit", &packets}, {"byte_limit", &bytes}} {
		v, ok := f.number(l.key)
		switch {
		case !ok || err != nil:
		case v == 0:
			err = fmt.Errorf("queue_config.%s 0, a queue that only an idle link lets pass, has no equal in uq: write more", l.key)
		case v > maxBuffer:
			err = fmt.Errorf("queue_config.%s %d: want at most %d", l.key, v, maxBuffer)
		}
		*l.to = v
	}
	return packets, bytes, counted, err
}

func (r *rattan) dropTail(f *fields) error {
	packets, bytes, counted, err := f.limits()
	if err == nil {
		err = f.done()
	}
	switch {
	case err != nil:
		return err
	case packets > 0 && bytes > 0:
		return errors.New("queue DropTail with packet_limit and byte_limit has no equal in uq: take one out")
	case bytes > 0:
		r.Qdiscs = []string{fmt.Sprintf("bfifo limit %d", bytes)}
		if counted != r.opts.LinkHeader {
			r.note("rattan's byte_limit counts %d bytes besides the IP packet of each packet in the queue, uq's bfifo the trace's link-layer header of %d.", counted, r.opts.LinkHeader)
		}
	case packets > 0:
		r.Qdiscs = []string{fmt.Sprintf("pfifo limit %d", packets)}
	default:
		r.Qdiscs = []string{fmt.Sprintf("pfifo limit %d", maxBuffer)}
	}
	return nil
}

func (r *rattan) codel(f *fields) error {
	packets, bytes, _, err := f.limits()
	if err != nil {
		return err
	}
	line := fmt.Sprintf("codel limit %d", maxBuffer)
	if packets > 0 {
		line = fmt.Sprintf("codel limit %d", packets)
	}
	for _, key := range []string{"target", "interval"} {
		text := f.text(key)
		if text == "" {
			continue
		}
		ns, err := duration(text)
		if err != nil {
			return fmt.Errorf("queue_config.%s: %w", key, err)
		}
		line += " " + key + " " + timeText(ns)
	}
	mtu, other := f.number("mtu")
	if err := f.done(); err != nil {
		return err
	}
	if bytes > 0 {
		return errors.New("queue CoDel with byte_limit has no equal in uq: write packet_limit")
	}
	r.Qdiscs = []string{line}
	r.note("uq's codel is Linux's, to its rounding; rattan's computes in floating point.")
	if other && mtu != 1500 {
		r.note("CoDel leaves a queue of mtu %d bytes alone in the config; in uq that is the device's MTU and its header, 1514 bytes.", mtu)
	}
	return nil
}
