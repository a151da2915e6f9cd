package link

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// TestPrints checks lines as tc prints netem's options, with defaults as tc has
// them.
func TestPrints(t *testing.T) {
	for spec, want := range map[string]string{
		"delay 10ms rate 20mbit":                             "rate 20Mbit delay 10ms",
		"rate 1234567bit delay 12.345678ms":                  "rate 1234567bit delay 12.345678ms",
		"rate 20mbit mpu 64 overhead -4 ptm":                 "rate 20Mbit overhead -4 mpu 64 ptm",
		"rate 20mbit atm noatm":                              "rate 20Mbit",
		"unlimited delay 100us 10us":                         "unlimited delay 100us 10us",
		"unlimited delay 1s 1500us 25%":                      "unlimited delay 1s 1.5ms 25%",
		"unlimited delay 10ms 1ms distribution normal":       "unlimited delay 10ms 1ms distribution normal",
		"unlimited loss 1":                                   "unlimited loss 1%",
		"unlimited loss random 0.1% 25%":                     "unlimited loss 0.1% 25%",
		"unlimited loss 0.0000001%":                          "unlimited loss 0.0000001%",
		"unlimited loss 33.333333%":                          "unlimited loss 33.333333%",
		"unlimited loss 0%":                                  "unlimited",
		"unlimited loss state 1%":                            "unlimited loss state p13 1% p31 99% p32 0% p23 100% p14 0%",
		"unlimited loss state 1% 10% 2% 3% 4% ecn":           "unlimited loss state p13 1% p31 10% p32 2% p23 3% p14 4% ecn",
		"unlimited loss gemodel 1%":                          "unlimited loss gemodel p 1% r 99% 1-h 100% 1-k 0%",
		"unlimited loss gemodel 1% 10% 70% 0.1%":             "unlimited loss gemodel p 1% r 10% 1-h 70% 1-k 0.1%",
		"unlimited duplicate 1% corrupt 0.1% 10%":            "unlimited duplicate 1% corrupt 0.1% 10%",
		"unlimited delay 10ms reorder 25% 50%":               "unlimited delay 10ms reorder 25% 50% gap 1",
		"unlimited reorder 25% gap 5 delay 10ms":             "unlimited delay 10ms reorder 25% gap 5",
		"unlimited slot 800us 10ms bytes 64k packets 42":     "unlimited limit 1000 slot 800us 10ms packets 42 bytes 65536",
		"unlimited slot 1ms limit 42":                        "unlimited limit 42 slot 1ms 1ms",
		"unlimited slot distribution pareto 1ms 200us":       "unlimited limit 1000 slot distribution pareto 1ms 200us",
		"unlimited latency 5ms 1ms drop 2% ecn":              "unlimited delay 5ms 1ms loss 2% ecn",
		"rate 1mbit front drop gemodel 1%":                   "rate 1Mbit front loss gemodel p 1% r 99% 1-h 100% 1-k 0%",
		"rate 1mbit front loss 1% ecn slot 1ms 2ms":          "rate 1Mbit front loss 1% slot 1ms 2ms ecn",
		"rate 1mbit loss 2% front loss 1% duplicate 3%":      "rate 1Mbit loss 2% front loss 1% duplicate 3%",
		"rate 1mbit delay 1ms front corrupt 50%":             "rate 1Mbit delay 1ms front corrupt 50%",
		"rate 1mbit front slot distribution uniform 9ms 1ms": "rate 1Mbit front slot distribution uniform 9ms 1ms",
	} {
		l, err := New(spec, Env{})
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if got := Line(l); got != want {
			t.Errorf("%s prints as %q, want %q", spec, got, want)
		}
		if again, err := New(Line(l), Env{}); err != nil || Line(again) != want {
			t.Errorf("%s, printed and read again: %v", spec, err)
		}
	}
}

// TestErrors checks the wording: tc's, and the way out.
func TestErrors(t *testing.T) {
	for spec, want := range map[string]string{
		"rate 1mbit reorder 25%":                         "reordering not possible without specifying some delay",
		"rate 1mbit delay 1ms gap 5":                     "gap specified without reorder probability",
		"rate 1mbit ecn":                                 "ecn requested without loss model",
		"rate 1mbit loss 0% ecn":                         "ecn requested without loss model",
		"rate 1mbit delay 1ms distribution normal":       "distribution specified but no latency and jitter values",
		"rate 1mbit delay 1ms 1ms distribution norml":    `did you mean "normal"?`,
		"rate 1mbit delya 1ms":                           `What is "delya"? Did you mean "delay"? Usage: ... link`,
		"rate 1mbit los 1%":                              `Did you mean "loss"?`,
		"rate 1mbit delay":                               `illegal "delay": want a TIME`,
		"rate 1mbit delay 5":                             "tc would read it as 5us",
		"rate 1mbit delay 2h":                            "unknown unit",
		"rate 1mbit delay 1ms 3601s":                     "want at most 3600s",
		"rate 1mbit loss":                                `illegal "loss": want a percentage`,
		"rate 1mbit loss 100.1%":                         "want a percentage from 0% to 100%",
		"rate 1mbit loss -1%":                            `"-1%": want a percentage, or one of the models`,
		"rate 1mbit loss gemodle 1%":                     "one of the models random, state, gemodel",
		"rate 1mbit loss state":                          "want p13, a percentage",
		"rate 1mbit loss state 60% 10% 0% 10% 60%":       "p13 and p14 are more than 100% together",
		"rate 1mbit loss state 1% 60% 60%":               "p31 and p32 are more than 100% together",
		"rate 1mbit loss gemodel 1% 2% 3% 400%":          "1-k: ",
		"rate 1mbit duplicate":                           `illegal "duplicate"`,
		"rate 1mbit corrupt 1% 101%":                     `illegal "corrupt"`,
		"rate 1mbit slot":                                "want a TIME, for example 800us 10ms",
		"rate 1mbit slot 10ms 1ms":                       "the longest wait, 1ms, is less than the shortest, 10ms",
		"rate 1mbit slot 1ms packets 0":                  "packets: want from 1",
		"rate 1mbit slot distribution normal 1ms":        "want distribution NAME TIME JITTER",
		"rate 1mbit slot distribution normal 1ms 0":      "want a JITTER above 0",
		"rate 1mbit limit 0":                             `illegal "limit"`,
		"rate 1mbit front":                               `nothing after "front"`,
		"rate 1mbit front delay 1ms":                     `"delay" cannot stand after "front": before the wire only the scheduler holds packets back`,
		"rate 1mbit front latency 1ms":                   `"latency" cannot stand after "front"`,
		"rate 1mbit front loss 1% rate 2mbit":            `"rate" cannot stand after "front": it belongs to the wire`,
		"front loss 1%":                                  `has no rate: write "rate 20mbit" or "unlimited"`,
		"rate 1mbit front los 1%":                        `front: What is "los"? Did you mean "loss"?`,
		"unlimited rate 1mbit":                           `unlimited: What is "rate"?`,
		"rate 1mbit " + strings.Repeat("loss 1% ", 3000): "want at most 16384",
	} {
		l, err := New(spec, Env{})
		if err == nil {
			t.Errorf("%s was accepted as %q", spec, Line(l))
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v\nwant %q", spec, err, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for s, want := range map[string]fraction{
		"0%": 0, "0": 0, "100%": certain, "100": certain, "50%": 2147483648, "1%": 42949673, "25%": 1073741824,
		"0.1%": 4294967, ".5%": 21474836, "100.0000000000%": certain, "0.0000000116%": 0, "0.0000000117%": 1,
	} {
		if got, err := parsePercent(s); err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "%", ".", "1%%", "101%", "100.1", "1e1", "-1", "0.12345678901", "1 %", "0x1", "1000"} {
		if got, err := parsePercent(s); err == nil {
			t.Errorf("%q was read as %d", s, got)
		}
	}
	for x := uint64(0); x <= math.MaxUint32; x = x*5/4 + 1 {
		f := fraction(x)
		if back, err := parsePercent(f.String()); err != nil || back != f {
			t.Fatalf("%d prints as %s, which is %d, %v", f, f, back, err)
		}
	}
}

func TestExact(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 999, 1000, 1001, 10e6, 12345678, 1e9, 1000000001, time.Hour} {
		if back, err := tc.ParseTime(exactTime(d)); err != nil || back != d {
			t.Errorf("%d ns prints as %s, which is %d, %v", d, exactTime(d), back, err)
		}
	}
	for _, r := range []uint64{1, 999, 1000, 1500, 1234567, 20e6, 1e12, 1<<60 + 1} {
		if back, err := tc.ParseRate(exactRate(r)); err != nil || back != r {
			t.Errorf("%d bit/s prints as %s, which is %d, %v", r, exactRate(r), back, err)
		}
	}
}

// TestKinds checks that the list has every link, with words that New knows.
func TestKinds(t *testing.T) {
	for _, k := range append(Wires(), Impairments()...) {
		if k.Summary == "" || !strings.HasPrefix(k.Usage, "Usage: ... ") || k.Options == "" {
			t.Errorf("%+v", k)
		}
		if newWire(k.Name) == nil {
			continue
		}
		_, err := New(k.Name+" help", Env{})
		var h *tc.Help
		if k.Name == "unlimited" && (!errors.As(err, &h) || !strings.Contains(h.Options, "gemodel")) {
			t.Errorf("%s help: %v", k.Name, err)
		}
	}
}

// TestRewrites checks what a live queue is told of.
func TestRewrites(t *testing.T) {
	for spec, want := range map[string]string{
		"rate 1mbit":                                     "[]",
		"rate 1mbit loss 1%":                             "[]",
		"rate 1mbit corrupt 1% duplicate 1%":             "[corrupt duplicate]",
		"unlimited front duplicate 1%":                   "[duplicate]",
		"unlimited loss 1% front corrupt 1%":             "[corrupt]",
		"unlimited delay 1ms 1ms reorder 1% slot 1ms 1s": "[]",
	} {
		l, err := New(spec, Env{})
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(Rewrites(l)); got != want {
			t.Errorf("%s: %s, want %s", spec, got, want)
		}
	}
}

// TestHolds checks the bounds on what is on its way.
func TestHolds(t *testing.T) {
	for spec, want := range map[string]uint64{
		"rate 512mbit delay 100ms":                                  100000,
		"rate 512mbit delay 50ms 50ms":                              100000,
		"rate 512mbit delay 100ms limit 50":                         50,
		"rate 512mbit slot 1ms":                                     1000,
		"rate 512mbit delay 1ms 1ms distribution normal":            4668, // 3.668 deviations
		"rate 512mbit loss 1%":                                      0,
		"unlimited delay 1s 1ms":                                    0,
		"schedule x delay 64ms":                                     64 * 2 * 1504 / 64,
		"rate 1000gbit delay 3600s 1s":                              1<<31 - 1,
		"rate 512mbit delay 100ms front loss 1% slot 1ms packets 1": 100000,
	} {
		l, err := New(spec, reads("1\n1\n9\n"))
		if err != nil {
			t.Fatal(err)
		}
		got := uint64(0)
		if h, ok := l.(Holder); ok {
			got = h.Holds(64)
		}
		if got != want {
			t.Errorf("%s: %d packets, want %d", spec, got, want)
		}
	}
}

// FuzzNew checks that what is accepted prints as something accepted, that prints
// the same, and carries packets.
func FuzzNew(f *testing.F) {
	for _, s := range []string{
		"rate 20mbit delay 10ms 2ms 25% loss gemodel 1% 10%", "unlimited loss state p13 1% p31 99% ecn", "schedule x front slot 1ms bytes 1k",
		"rate-file x atm mpu 64 overhead -3", "rate 1mbit slot distribution pareto 1ms 1us packets 2 limit 3", "mahimahi x sha256 00112233",
		"rate 1kbit delay 1us 1us distribution paretonormal reorder 1% gap 2 front corrupt .1%", "front front", "rate 1 help",
	} {
		f.Add(s, uint32(1500))
	}
	f.Fuzz(func(t *testing.T, spec string, n uint32) {
		env := Env{Seed: 1, ReadFile: func(name string) ([]byte, error) {
			if strings.Contains(spec, "rate-file") {
				return []byte("0,1mbit\n1s,2mbit\n3s,loop"), nil
			}
			return []byte("0\n1\n5\n"), nil
		}}
		l, err := New(spec, env)
		if err != nil {
			return
		}
		again, err := New(Line(l), env)
		if err != nil || Line(again) != Line(l) {
			t.Fatalf("%q prints as %q, then %v", spec, Line(l), err)
		}
		if _, err := New(Pin(spec, l), env); err != nil {
			t.Fatalf("%q pinned is %q: %v", spec, Pin(spec, l), err)
		}
		a, b := &feed{}, &feed{}
		for _, f := range []*feed{a, b} {
			for i := range uint32(20) {
				f.packets = append(f.packets, &pkt.Packet{Len: n/2 + i, L3Len: n / 2, Segs: 1})
			}
		}
		carry := func(l Link, f *feed) {
			for now, turns := pkt.Time(0), 0; now < pkt.Horizon && turns < 100; turns++ {
				free, busy := l.Transmit(now, f, f)
				if !busy {
					return
				}
				now = free
			}
		}
		carry(l, a)
		carry(again, b)
		if fmt.Sprint(a.at) != fmt.Sprint(b.at) {
			t.Fatalf("%q and %q carry differently", spec, Line(l))
		}
	})
}
