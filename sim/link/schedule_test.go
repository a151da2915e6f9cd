package link

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

func reads(content string) Env {
	return Env{ReadFile: func(string) ([]byte, error) { return []byte(content), nil }}
}

const ms = pkt.Time(time.Millisecond)

// arrival is a packet for driving a link by hand.
type arrival struct {
	at pkt.Time
	l3 uint32
}

// drive runs a link over a FIFO and returns when each packet arrives, in the
// order of arrival.
func drive(l Link, in []arrival) []pkt.Time {
	f := &feed{}
	busy, free := false, pkt.Time(0)
	for _, a := range in {
		for busy && free <= a.at {
			free, busy = l.Transmit(free, f, f)
		}
		f.packets = append(f.packets, &pkt.Packet{L3Len: a.l3, Len: a.l3 + 14, Segs: 1})
		for now := a.at; !busy || free <= a.at; now = free {
			if free, busy = l.Transmit(now, f, f); !busy {
				break
			}
		}
	}
	for busy {
		free, busy = l.Transmit(free, f, f)
	}
	return f.at
}

// TestOffers holds what a trace offers in words to what a queue that is never empty
// gets through it.
func TestOffers(t *testing.T) {
	for _, trace := range []string{"1\n", "0\n3\n5\n8\n", "2\n2\n2\n7\n", "0\n0\n4\n"} {
		l := &Schedule{}
		if err := l.load([]byte(trace)); err != nil {
			t.Fatal(err)
		}
		var in []arrival
		for range 100 {
			in = append(in, arrival{0, 1500}) // an opportunity each
		}
		got := map[uint64]uint64{}
		for _, at := range drive(l, in) {
			got[uint64(at/ms)] += OpportunityBytes
		}
		for at := range uint64(50) {
			if n := l.Offers(at); n != got[at] && got[at] != 0 || n != 0 && at < 20 && got[at] == 0 {
				t.Errorf("%q offers %d bytes at %d ms, want %d", trace, n, at, got[at])
			}
		}
	}
}

// TestSchedule has mahimahi's rules one by one.
func TestSchedule(t *testing.T) {
	for name, c := range map[string]struct {
		trace string
		in    []arrival
		want  []pkt.Time
	}{
		"one each":                   {"5\n7\n", []arrival{{0, 1500}, {0, 1500}}, []pkt.Time{5 * ms, 7 * ms}},
		"an opportunity is 1504":     {"5\n7\n", []arrival{{0, 1501}}, []pkt.Time{7 * ms}},
		"leftovers serve the next":   {"5\n7\n", []arrival{{0, 1000}, {0, 496}, {0, 1}}, []pkt.Time{5 * ms, 5 * ms, 7 * ms}},
		"a rest goes with the next":  {"5\n7\n", []arrival{{0, 1000}, {0, 1000}, {0, 996}}, []pkt.Time{5 * ms, 7 * ms, 7 * ms}},
		"leftovers do not wait":      {"5\n7\n", []arrival{{0, 100}, {5 * ms, 100}}, []pkt.Time{5 * ms, 7 * ms}},
		"unused ones are lost":       {"1\n2\n3\n9\n", []arrival{{4 * ms, 1500}, {4 * ms, 1500}}, []pkt.Time{9 * ms, 10 * ms}},
		"at its time is too late":    {"5\n7\n", []arrival{{5 * ms, 100}}, []pkt.Time{7 * ms}},
		"just before is not":         {"5\n7\n", []arrival{{5*ms - 1, 100}}, []pkt.Time{5 * ms}},
		"several at once":            {"5\n5\n5\n6\n", []arrival{{0, 1500}, {0, 2000}, {0, 1500}}, []pkt.Time{5 * ms, 5 * ms, 6 * ms}},
		"loops at the last":          {"1\n10\n", []arrival{{0, 1500}, {0, 1500}, {0, 1500}, {0, 1500}}, []pkt.Time{1 * ms, 10 * ms, 11 * ms, 20 * ms}},
		"zero is the end of a round": {"0\n0\n4\n", []arrival{{0, 1500}, {0, 1500}, {0, 1500}, {0, 1500}}, []pkt.Time{4 * ms, 4 * ms, 4 * ms, 8 * ms}},
		"a year later":               {"3\n10\n", []arrival{{365 * 24 * 3600 * 1000 * ms, 1500}}, []pkt.Time{(365*24*3600*1000 + 3) * ms}},
	} {
		l, err := New("schedule x", reads(c.trace))
		if err != nil {
			t.Fatal(err)
		}
		if got := drive(l, c.in); !slices.Equal(got, c.want) {
			t.Errorf("%s: delivered at %v, want %v", name, got, c.want)
		}
	}
}

// TestScheduleSegments checks that each segment of a super-packet has a header
// of its own.
func TestScheduleSegments(t *testing.T) {
	l := &Schedule{}
	p := &pkt.Packet{Segs: 3, HdrLen: 52, L3Len: 52 + 3*1448}
	if got := l.size(p); got != 3*1504 {
		t.Errorf("three full segments are %d bytes, want %d", got, 3*1504)
	}
}

// naive is mahimahi's loop, stepping through every opportunity.
func naive(lines []int, in []arrival) (out []pkt.Time) {
	period := lines[len(lines)-1]
	next, left := 0, 0
	for round := 0; next < len(in); round++ {
		for _, line := range lines {
			now := pkt.Time(round*period+line) * ms
			for room := OpportunityBytes; room > 0 && next < len(in); {
				if left == 0 {
					if in[next].at >= now {
						break
					}
					left = int(in[next].l3) + 4
				}
				n := min(room, left)
				room -= n
				if left -= n; left == 0 {
					out = append(out, now)
					next++
				}
			}
		}
	}
	return out
}

// TestScheduleReference compares random traces and arrivals with the naive loop.
func TestScheduleReference(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		var lines []int
		var text bytes.Buffer
		at := rng.IntN(3)
		for range rng.IntN(40) + 1 {
			lines = append(lines, at)
			fmt.Fprintln(&text, at)
			at += rng.IntN(8) * rng.IntN(3)
		}
		if lines[len(lines)-1] == 0 {
			lines = append(lines, 7)
			fmt.Fprintln(&text, 7)
		}
		var in []arrival
		now := pkt.Time(0)
		for range 60 {
			now += pkt.Time(rng.Int64N(6)) * ms / 2 * pkt.Time(rng.IntN(3))
			in = append(in, arrival{now, uint32(20 + rng.IntN(4000))})
		}
		l, err := New("schedule x", reads(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := drive(l, in), naive(lines, in); !slices.Equal(got, want) {
			t.Fatalf("seed %d, trace %v:\ngot  %v\nwant %v", seed, lines, got, want)
		}
	}
}

func TestScheduleErrors(t *testing.T) {
	for trace, want := range map[string]string{
		"":                        "no opportunity after 0 ms",
		"0\n0\n":                  "line 2: no opportunity after 0 ms",
		"1\n2\nx\n":               `line 3: "x": want milliseconds`,
		"1\n-2\n":                 `line 2: "-2": want milliseconds`,
		"1.5\n":                   `line 1: "1.5": want milliseconds`,
		"5\n\n7\n6\n":             "line 4: 6 ms is before the 7 ms of an earlier line",
		"1\n99999999999999999999": `line 2: "99999999999999999999": want at most 4294967295 ms`,
	} {
		_, err := New("schedule lte.up", reads(trace))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "schedule lte.up: ") {
			t.Errorf("%q: %v, want %q", trace, err, want)
		}
	}
}

// TestDigest checks that a link says which file it means, and takes no other.
func TestDigest(t *testing.T) {
	env := reads("1\n2\n")
	l, err := New("schedule lte.up delay 5ms", env)
	if err != nil {
		t.Fatal(err)
	}
	// The digits are sha256sum's.
	const line = "schedule lte.up sha256 a6e2b7a040683432 delay 5ms"
	if got := Line(l); got != line {
		t.Errorf("prints as %q", got)
	}
	if got := Pin("schedule lte.up delay 5ms", l); got != line {
		t.Errorf("pinned as %q", got)
	}
	for spec, want := range map[string]string{
		line:                                       "",
		"schedule lte.up sha256 a6e2b7a0":          "",
		"schedule lte.up sha256 a6e2b7a1":          "is another file than the link was described with: its sha256 begins with a6e2b7a0, not a6e2b7a1",
		"schedule lte.up sha256 abc":               "at least the first 8 digits",
		"schedule lte.up sha256 A6E2B7A0":          "at least the first 8 digits",
		"schedule lte.up sha256":                   "at least the first 8 digits",
		"schedule":                                 "want the name of a file",
		"rate 1mbit schedule lte.up":               `What is "schedule"?`,
		"rate-file lte.up":                         "want TIME,RATE",
		"schedule lte.up loss 1% sha256 a6e2b7a04": "",
	} {
		_, err := New(spec, env)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", spec, err, want)
		}
	}
	if _, err := New("schedule lte.up", Env{}); err == nil || !strings.Contains(err.Error(), "no files can be read here") {
		t.Errorf("without files: %v", err)
	}
}

func FuzzSchedule(f *testing.F) {
	f.Add([]byte("0\n1\n1\n5\n"))
	f.Add([]byte("4294967295"))
	f.Add([]byte("\r\n 3 \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &Schedule{}
		if l.load(data) != nil {
			return
		}
		total := uint64(0)
		for i, s := range l.steps {
			if total += s.n; s.n == 0 || s.at <= 0 || s.at > l.period || i > 0 && s.at <= l.steps[i-1].at {
				t.Fatalf("steps %v, period %v", l.steps, l.period)
			}
		}
		lines := uint64(0)
		for _, line := range bytes.Split(data, []byte{'\n'}) {
			if len(bytes.TrimSpace(line)) > 0 {
				lines++
			}
		}
		if lines != total {
			t.Fatalf("%d lines, %d opportunities", lines, total)
		}
		if at := drive(l, []arrival{{1, 100}, {l.period, 100}}); len(at) != 2 || at[0] > l.period+l.steps[0].at || at[1] <= l.period {
			t.Fatalf("delivered at %v with period %v", at, l.period)
		}
	})
}
