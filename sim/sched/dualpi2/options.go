package dualpi2

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// config is tc's view.
type config struct {
	limit       int // packets
	memoryLimit int // bytes

	target, tupdate  time.Duration
	alpha, beta      int // in 1/256 Hz
	maxRTT, typicalR time.Duration

	stepTime      time.Duration
	stepPackets   int
	stepInPackets bool
	minQlenStep   int // packets

	coupling     int
	dropOverload bool
	dropEnqueue  bool
	protection   int // percent
	ecnMask      uint8
	splitGSO     bool
}

// Which codepoints go to L.
const (
	l4sECT = uint8(pkt.ECT1)
	anyECT = uint8(pkt.CE)
)

// maxTime and maxGain (in Hz) are the largest values read.
const (
	maxTime = 1000 * time.Second
	maxGain = 1<<23 - 1
)

// rttRatio is the ratio of the largest round-trip time to the typical one where
// only one of them is given.
const rttRatio = 6

func defaultConfig() config {
	return config{
		limit: 10000, target: 15 * time.Millisecond, tupdate: 16 * time.Millisecond, alpha: 41, beta: 819,
		stepTime: time.Millisecond, coupling: 2, dropOverload: true, protection: 10, ecnMask: l4sECT, splitGSO: true,
	}
}

// parse reads tc's words and puts the default in place of a 0, as tc does.
func (c *config) parse(words []string, mtu int) error {
	def := *c
	if err := c.options().Parse("dualpi2", words); err != nil {
		return err
	}
	if err := c.fromRTT(); err != nil {
		return fmt.Errorf("dualpi2: %w", err)
	}
	if c.alpha == 0 || c.beta == 0 {
		return fmt.Errorf("dualpi2: alpha and beta must be at least 0.004, 1/256 Hz")
	}
	orDefault(&c.limit, def.limit)
	orDefault(&c.target, def.target)
	orDefault(&c.tupdate, def.tupdate)
	if !c.stepInPackets {
		orDefault(&c.stepTime, def.stepTime)
	}
	if c.memoryLimit == 0 {
		c.memoryLimit = min(c.limit, (1<<31-1)/(2*mtu)) * 2 * mtu
	}
	return nil
}

func orDefault[T ~int | ~int64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

func (c *config) options() tc.Options {
	return append(append(tc.Options{
		tc.Count("limit", &c.limit, 0, 1<<31-1, "p", "packets in both queues before the newest is dropped (10000)"),
		tc.Size("memlimit", &c.memoryLimit, 0, 1<<31-1, "bytes of packet memory (limit packets of two MTUs)").Shown(func(f tc.Field) tc.Field {
			f.JSON, f.Text = "memory-limit", strconv.Itoa(c.memoryLimit)+"B"
			return f
		}),
	}, c.controlOptions()...), c.queueOptions()...)
}

func (c *config) controlOptions() tc.Options {
	return tc.Options{
		tc.Time("target", &c.target, maxTime, "delay aimed at (15ms)"),
		tc.Time("tupdate", &c.tupdate, maxTime, "span between updates of the probability (16ms)"),
		gainOption("alpha", &c.alpha, "gain on the deviation from target, in Hz (0.16)"),
		gainOption("beta", &c.beta, "gain on the change of the delay, in Hz (3.2)"),
		hidden(tc.Time("max_rtt", &c.maxRTT, maxTime, "largest round-trip time: sets target, tupdate, alpha and beta")),
		hidden(tc.Time("typical_rtt", &c.typicalR, maxTime, "typical one (max_rtt/6)")),
	}
}

func (c *config) queueOptions() tc.Options {
	return tc.Options{
		c.stepOption(),
		tc.Count("min_qlen_step", &c.minQlenStep, 0, 1<<31-1, "p", "packets an arrival must find in L for the step to apply (0)").Shown(func(f tc.Field) tc.Field {
			f.JSON = "min-qlen-step"
			return f
		}),
		tc.Count("coupling_factor", &c.coupling, 1, 255, "", "k: L is marked with k times the base probability (2)").Shown(func(f tc.Field) tc.Field {
			f.JSON = "coupling"
			return f
		}),
		tc.Word("drop_on_overload", "drop from both queues when overloaded (default)", func() { c.dropOverload = true }).Shown(func(tc.Field) tc.Field {
			return choice("drop-overload", c.dropOverload, "drop_on_overload", "drop", "overflow", "overflow")
		}),
		tc.Word("overflow", "let the queue fill instead", func() { c.dropOverload = false }),
		tc.Word("drop_enqueue", "drop and mark on arrival", func() { c.dropEnqueue = true }).Shown(func(tc.Field) tc.Field {
			return choice("drop-early", c.dropEnqueue, "drop_enqueue", "drop-enqueue", "drop_dequeue", "drop-dequeue")
		}),
		tc.Word("drop_dequeue", "drop and mark on departure (default)", func() { c.dropEnqueue = false }),
		c.protectionOption(),
		tc.Word("l4s_ect", "ECT(1) and CE go to L (default)", func() { c.ecnMask = l4sECT }).Shown(func(tc.Field) tc.Field {
			return choice("ecn-mask", c.ecnMask == l4sECT, "l4s_ect", "l4s-ect", "any_ect", "any-ect")
		}),
		tc.Word("any_ect", "all but Not-ECT go to L", func() { c.ecnMask = anyECT }),
		tc.Word("split_gso", "take super-packets apart, in a simulation (default)", func() { c.splitGSO = true }).Shown(func(tc.Field) tc.Field {
			f := choice("split-gso", c.splitGSO, "split_gso", "", "no_split_gso", "")
			f.Value = c.splitGSO
			return f
		}),
		tc.Word("no_split_gso", "keep them whole", func() { c.splitGSO = false }),
	}
}

// choice is a field that prints one of two bare words, and one of two values for
// machines.
func choice(json string, first bool, word1, value1, word2, value2 string) tc.Field {
	f := tc.Field{Key: word2, JSON: json, Text: word2, Value: value2, Bare: true}
	if first {
		f.Key, f.Text, f.Value = word1, word1, value1
	}
	return f
}

func hidden(o tc.Option) tc.Option { return o.HiddenIf(func() bool { return true }) }

// gainOption prints a gain as the controller holds it, as tc does.
func gainOption(name string, v *int, help string) tc.Option {
	return tc.Decimal(name, v, gainUnit, maxGain, help).Shown(func(tc.Field) tc.Field {
		shown := parts(gain(*v))
		if shown < 2 { // tc would print what it does not read
			shown = uint64(*v)
		}
		if shown == 1 { // nor rounded down
			return tc.Ratio(name, "%.3f", shown, gainUnit)
		}
		return tc.Ratio(name, "%f", shown, gainUnit)
	})
}

// stepOption is "step_thresh TIME|PACKETS".
func (c *config) stepOption() tc.Option {
	return tc.Values("step_thresh", "TIME|PACKETS", "delay, or packets behind (5p), above which L is marked (1ms)", func(words []string) (int, error) {
		if len(words) == 0 {
			return 0, fmt.Errorf("want a time or a number of packets, like 1ms or 5p")
		}
		if n, ok := packets(words[0]); ok {
			c.stepInPackets, c.stepPackets = n > 0, n
			return 1, nil
		}
		d, err := tc.ParseTime(words[0])
		if err == nil && d > maxTime {
			err = fmt.Errorf("want at most %s", tc.FormatTime(maxTime))
		}
		if err != nil {
			return 0, fmt.Errorf("%w, or a number of packets like 5p", err)
		}
		c.stepInPackets, c.stepTime = false, d
		return 1, nil
	}, func() tc.Field {
		if c.stepInPackets {
			return tc.Field{Key: "step_thresh", JSON: "step-thresh-pkts", Num: int64(c.stepPackets), Text: strconv.Itoa(c.stepPackets) + "p"}
		}
		return tc.Field{Key: "step_thresh", JSON: "step-thresh-us", Num: int64(c.stepTime / time.Microsecond), Text: tc.FormatTime(c.stepTime)}
	})
}

// packets reads "5p", "5pkts" or "5 packets" in one word, as tc does.
func packets(s string) (int, bool) {
	num := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	switch s[len(num):] {
	case "p", "pkt", "pkts", "packet", "packets":
		n, err := strconv.ParseUint(num, 10, 31)
		return int(n), err == nil
	}
	return 0, false
}

// protectionOption is "classic_protection PERCENTAGE".
func (c *config) protectionOption() tc.Option {
	return tc.Values("classic_protection", "PERCENTAGE", "share of bytes kept for C (10%)", func(words []string) (int, error) {
		if len(words) == 0 {
			return 0, fmt.Errorf("want a percentage from 0%% to 100%%")
		}
		n, err := strconv.ParseUint(strings.TrimSuffix(words[0], "%"), 10, 8)
		if err != nil || n > 100 {
			return 0, fmt.Errorf("%q: want a whole percentage from 0%% to 100%%", words[0])
		}
		c.protection = int(n)
		return 1, nil
	}, func() tc.Field {
		return tc.Field{Key: "classic_protection", JSON: "c-protection", Num: int64(c.protection), Text: strconv.Itoa(c.protection) + "%"}
	})
}

// fromRTT sets target, tupdate and both gains from the round-trip times, if any
// is given, with tc's formulas (RFC 9332's) and its microseconds. What was said
// of these four otherwise does not count.
func (c *config) fromRTT() error {
	if c.maxRTT == 0 && c.typicalR == 0 {
		return nil
	}
	typical, largest := int64(c.typicalR/time.Microsecond), int64(c.maxRTT/time.Microsecond)
	switch {
	case typical == 0:
		typical = max(largest/rttRatio, 1)
	case largest == 0:
		largest = typical * rttRatio
	}
	if largest == 0 {
		return fmt.Errorf("max_rtt %s is too short: want at least 1us", tc.FormatTime(c.maxRTT))
	}
	if typical > largest {
		return fmt.Errorf("typical_rtt %s must not exceed max_rtt %s", tc.FormatTime(c.typicalR), tc.FormatTime(c.maxRTT))
	}
	tupdate := max(min(typical, largest/3), 1)
	c.target, c.tupdate = time.Duration(typical)*time.Microsecond, time.Duration(tupdate)*time.Microsecond
	alpha, beta := tupdate*100000*gainUnit/largest/largest, 300000*gainUnit/largest
	if alpha < 1 || beta < 1 {
		return fmt.Errorf("max_rtt %s is too long: the gains round down to 0; want less than about 4s, or alpha and beta", tc.FormatTime(c.maxRTT))
	}
	c.alpha, c.beta = int(alpha), int(beta)
	return nil
}
