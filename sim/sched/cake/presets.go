package cake

import (
	"fmt"
	"strconv"
	"time"

	"github.com/uqtool/uq/sim/tc"
)

// rttPreset is a word for a round-trip time.
type rttPreset struct {
	name        string
	target, rtt time.Duration
}

var rttPresets = []rttPreset{
	{"datacentre", 5 * time.Microsecond, 100 * time.Microsecond},
	{"lan", 50 * time.Microsecond, time.Millisecond},
	{"metro", 500 * time.Microsecond, 10 * time.Millisecond},
	{"regional", 1500 * time.Microsecond, 30 * time.Millisecond},
	{"internet", 5 * time.Millisecond, 100 * time.Millisecond},
	{"oceanic", 15 * time.Millisecond, 300 * time.Millisecond},
	{"satellite", 50 * time.Millisecond, time.Second},
	{"interplanetary", 50 * time.Second, 1000 * time.Second},
}

// rtts are the words for a round-trip time. tc takes one of them, once.
func (p *parser) rtts() (t tc.Options) {
	for _, r := range rttPresets {
		t = append(t, tc.Values(r.name, "", "rtt "+rttField(r.rtt).Text, func([]string) (int, error) {
			if p.preset != "" {
				return 0, fmt.Errorf("duplicate %q: %q is the second value, leave one out", p.preset, r.name)
			}
			p.preset, p.target, p.rtt = r.name, r.target, r.rtt
			return 0, nil
		}, nil))
	}
	return t
}

// linkPreset is a word for what a kind of link adds to each packet.
type linkPreset struct {
	name    string
	bytes   int
	framing framing
	keep    bool // the framing said before
	mpu     int
}

// The figures are tc's. Words add up: "pppoe-ptm ether-vlan" is 34 bytes.
var linkPresets = []linkPreset{
	{name: "ipoa-vcmux", bytes: 8, framing: atm},
	{name: "ipoa-llcsnap", bytes: 16, framing: atm},
	{name: "bridged-vcmux", bytes: 24, framing: atm},
	{name: "bridged-llcsnap", bytes: 32, framing: atm},
	{name: "pppoa-vcmux", bytes: 10, framing: atm},
	{name: "pppoa-llc", bytes: 14, framing: atm},
	{name: "pppoe-vcmux", bytes: 32, framing: atm},
	{name: "pppoe-llcsnap", bytes: 40, framing: atm},
	{name: "pppoe-ptm", bytes: 30, framing: ptm},
	{name: "bridged-ptm", bytes: 22, framing: ptm},
	{name: "ethernet", bytes: 38, keep: true, mpu: 84},
	{name: "ether-vlan", bytes: 4, keep: true},
	{name: "docsis", bytes: 18, framing: plain, mpu: 64},
}

// overheads are the words for what the link adds to each packet.
func (p *parser) overheads() tc.Options {
	o := &p.options.overhead
	t := tc.Options{
		tc.Word("noatm", "no cells (default)", func() { o.framing = plain }),
		tc.Word("atm", "cells of 53 bytes carrying 48", func() { o.framing = atm }),
		tc.Word("ptm", "a byte more for every 64", func() { o.framing = ptm }),
		tc.Values("overhead", "BYTES", "added to each IP packet, -64 to 256", p.readOverhead, nil),
		tc.Values("mpu", "BYTES", "what each packet costs at least, 0 to 256", p.readMPU, nil),
		tc.Word("raw", "count the length Linux reports, link header and all (default)", func() {
			o.framing, o.bytes = plain, 0
			p.rawWord, p.overheadWord = true, true
		}),
		tc.Word("conservative", "overhead 48 atm", func() {
			o.framing, o.bytes, p.overheadWord = atm, 48, true
		}),
	}
	for _, l := range linkPresets {
		t = append(t, tc.Word(l.name, l.help(), func() {
			o.bytes += l.bytes
			p.overheadWord = true
			if !l.keep {
				o.framing = l.framing
			}
			if l.mpu > 0 {
				o.mpu = l.mpu
			}
		}))
	}
	return append(t, tc.Word("via-ethernet", "nothing: the link header is never counted twice", func() {}))
}

func (l *linkPreset) help() string {
	s := fmt.Sprintf("%d bytes more", l.bytes)
	switch l.framing {
	case atm:
		s += ", atm"
	case ptm:
		s += ", ptm"
	}
	if l.mpu > 0 {
		s += fmt.Sprintf(", mpu %d", l.mpu)
	}
	return s
}

func (p *parser) readOverhead(words []string) (int, error) {
	n, err := integer(words, -64, 256)
	if err != nil {
		return 0, err
	}
	p.options.overhead.bytes, p.overheadWord = n, true
	return 1, nil
}

func (p *parser) readMPU(words []string) (int, error) {
	n, err := integer(words, 0, 256)
	if err != nil {
		return 0, err
	}
	p.options.overhead.mpu = n
	return 1, nil
}

// integer reads a decimal number, as tc does here.
func integer(words []string, lo, hi int) (int, error) {
	w, err := value(words, "NUMBER")
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(w)
	if err != nil || n < lo || n > hi {
		return 0, fmt.Errorf("valid range is %d to %d", lo, hi)
	}
	return n, nil
}

// fields are what tc prints of the overhead.
func (o *overhead) fields() []tc.Field {
	name := [...]string{"noatm", "atm", "ptm"}[o.framing]
	return []tc.Field{
		either("raw", o.raw, "raw", ""),
		word("atm", !o.raw || o.framing != plain, name, name),
		number("overhead", o.bytes),
		{Key: "mpu", Num: int64(o.mpu), Hidden: o.mpu == 0},
	}
}
