package link

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
)

// TestRateFile checks packets against the arithmetic of a reader: a packet of
// 1000 bytes is 8000 bits.
func TestRateFile(t *testing.T) {
	thousand := func(at ...pkt.Time) (in []arrival) {
		for _, t := range at {
			in = append(in, arrival{t * ms, 986})
		}
		return in
	}
	for name, c := range map[string]struct {
		file string
		in   []arrival
		want []pkt.Time // in ms
	}{
		"one rate":            {"0s,1mbit", thousand(0, 0), []pkt.Time{8, 16}},
		"faster on the way":   {"0s,1mbit\n4ms,4mbit", thousand(0, 0), []pkt.Time{5, 7}},
		"slower on the way":   {"0s,8mbit\n1ms,2mbit", thousand(0, 0), []pkt.Time{1, 5}},
		"an outage":           {"0s,1mbit\n4ms,0\n20ms,1mbit", thousand(0, 0), []pkt.Time{24, 32}},
		"begins in an outage": {"0s,0\n20ms,1mbit", thousand(3), []pkt.Time{28}},
		"holds":               {"0s,1mbit\n4ms,2mbit", thousand(1000, 9000), []pkt.Time{1004, 9004}},
		"loops":               {"0s,1mbit\n4ms,4mbit\n8ms,loop", thousand(0, 0, 0, 0, 16), []pkt.Time{5, 7, 12, 14, 21}},
		"loops for a year":    {"0s,1mbit\n4ms,4mbit\n8ms,loop", thousand(365*24*3600*1000, 365*24*3600*1000), []pkt.Time{365*24*3600*1000 + 5, 365*24*3600*1000 + 7}},
		"many rounds":         {"0s,1kbit\n10ms,0\n1s,loop", thousand(0), []pkt.Time{799*1000 + 10}},
		"comments and names":  {"time,rate\n# x\n\n0,1mbit\r\n 4ms , 4mbit \n", thousand(0), []pkt.Time{5}},
		"ends without rate":   {"0s,1mbit\n8ms,0", thousand(0), []pkt.Time{8}},
		"boundary to the bit": {"0s,1mbit\n8ms,1kbit\n1s,1mbit", thousand(0, 1000), []pkt.Time{8, 1008}},
	} {
		l, err := New("rate-file x.csv", reads(c.file))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := drive(l, c.in)
		for i := range c.want {
			c.want[i] *= ms
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: delivered at %v, want %v", name, got, c.want)
		}
	}
}

// TestRateFileForever checks that a link that stops for good ends at the
// horizon.
func TestRateFileForever(t *testing.T) {
	l, err := New("rate-file x.csv", reads("0s,1bit\n1s,0"))
	if err != nil {
		t.Fatal(err)
	}
	f := &feed{packets: []*pkt.Packet{{Len: 100}, {Len: 100}}}
	if free, busy := l.Transmit(0, f, f); !busy || free != pkt.Horizon {
		t.Errorf("free at %v", free)
	}
}

// TestRateFileConstant checks that a file of equal rates, however it is cut and
// repeated, is the plain rate to the nanosecond.
func TestRateFileConstant(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 4))
		rate := rng.Uint64N(1<<uint(rng.IntN(34)+4)) + 9
		var file strings.Builder
		at := int64(0)
		for range rng.IntN(5) + 1 {
			fmt.Fprintf(&file, "%dns,%d\n", at, rate)
			at += rng.Int64N(1e9) + 1
		}
		if seed%2 == 0 {
			fmt.Fprintf(&file, "%dns,loop\n", at)
		}
		a, err := New("rate-file x", reads(strings.Replace(file.String(), "0ns", "0", 1)))
		if err != nil {
			t.Fatal(err)
		}
		b := &Rate{BitsPerSec: rate}
		var in []arrival
		now := pkt.Time(0)
		for range 100 {
			now += pkt.Time(rng.Int64N(int64(min(2e13/rate, 1e15)) + 1))
			in = append(in, arrival{now, uint32(rng.IntN(1500))})
		}
		if got, want := drive(a, in), drive(b, in); !slices.Equal(got, want) {
			t.Fatalf("seed %d, rate %d, file\n%s\ngot  %v\nwant %v", seed, rate, file.String(), got, want)
		}
	}
}

// TestRateFileExact checks that a burst ends where the integral of the rate
// reaches its bits, rounded down once.
func TestRateFileExact(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 5))
		l := &RateFile{}
		at := int64(0)
		for range rng.IntN(6) + 1 {
			l.steps = append(l.steps, rateStep{pkt.Time(at), rng.Uint64N(1<<uint(rng.IntN(30)+1)) * uint64(rng.IntN(3))})
			at += rng.Int64N(1e8) + 1
		}
		l.steps[0].rate++
		if l.period = pkt.Time(at); seed%3 == 0 {
			l.period, l.steps[len(l.steps)-1].rate = 0, 1e6
		}
		l.sum()
		f := &feed{}
		bits := int64(0)
		for range rng.IntN(20) + 1 {
			n := rng.IntN(300) + 1
			bits += int64(n) * 8
			f.packets = append(f.packets, &pkt.Packet{Len: uint32(n), Segs: 1})
		}
		start := pkt.Time(rng.Int64N(3e8))
		end := send(l, start, f)
		if end >= pkt.Horizon/2 {
			continue
		}
		need := new(big.Int).Mul(big.NewInt(bits), big.NewInt(1e9))
		if before, after := l.volume(start, end), l.volume(start, end+1); before.Cmp(need) > 0 || after.Cmp(need) < 0 {
			t.Fatalf("seed %d: %d bits from %v end at %v: sent %v, one ns later %v\n%+v", seed, bits, start, end, before, after, l.steps)
		}
	}
}

// volume is what the link can send between two instants, in bit·ns/s.
func (l *RateFile) volume(from, to pkt.Time) *big.Int {
	upTo := func(t pkt.Time) *big.Int {
		sum := new(big.Int)
		add := func(rate uint64, span pkt.Time) {
			sum.Add(sum, new(big.Int).Mul(new(big.Int).SetUint64(rate), big.NewInt(int64(span))))
		}
		if l.period > 0 {
			for _, s := range l.steps {
				add(s.rate, 0)
			}
			round := new(big.Int)
			for i, s := range l.steps {
				end := l.period
				if i+1 < len(l.steps) {
					end = l.steps[i+1].at
				}
				round.Add(round, new(big.Int).Mul(new(big.Int).SetUint64(s.rate), big.NewInt(int64(end-s.at))))
			}
			sum.Add(sum, new(big.Int).Mul(round, big.NewInt(int64(t/l.period))))
			t %= l.period
		}
		for i, s := range l.steps {
			end := t
			if i+1 < len(l.steps) {
				end = min(end, l.steps[i+1].at)
			}
			if end > s.at {
				add(s.rate, end-s.at)
			}
		}
		return sum
	}
	return new(big.Int).Sub(upTo(to), upTo(from))
}

func TestRateFileErrors(t *testing.T) {
	for file, want := range map[string]string{
		"":                               "no rate: write lines like",
		"# nothing\n":                    "no rate: write lines like",
		"0s,0\n1s,0\n":                   "no rate above 0",
		"1s,1mbit\n":                     "line 1: the first time is 1s: begin with 0s",
		"0s,1mbit\n2s,2mbit\n2s,1mbit\n": "line 3: 2s is not after the line before",
		"0s,1mbit\n\n1,2mbit":            `line 3: time "1" has no unit: write 1s if it is in seconds, or 1ms`,
		"0s,1mbit\n1s":                   `line 2: "1s": want TIME,RATE`,
		"0s,fast":                        `line 1: rate "fast": no number`,
		"0s,1mbit\n1s,loop\n2s,1mbit":    `line 3: "2s,1mbit" comes after "loop"`,
		"0s,loop":                        `line 1: rate "loop"`,
		"0s,1mbit\ntime,rate":            `line 2: time "time"`,
	} {
		_, err := New("rate-file x.csv", reads(file))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "rate-file x.csv: ") {
			t.Errorf("%q: %v, want %q", file, err, want)
		}
	}
}

// TestRateFileOfSpreadsheet reads a file as spreadsheets write them.
func TestRateFileOfSpreadsheet(t *testing.T) {
	l := &RateFile{}
	if err := l.load([]byte("\ufeff\"time\",\"rate\"\r\n\"0s\",\"1mbit\"\r\n1.5s,2mbit\r\n")); err != nil {
		t.Fatal(err)
	}
	if want := []rateStep{{0, 1e6}, {1.5e9, 2e6}}; !slices.Equal(l.steps, want) {
		t.Errorf("read %v, want %v", l.steps, want)
	}
}

func FuzzRateFile(f *testing.F) {
	f.Add([]byte("time,rate\n0s,1mbit\n1ms,0\n5ms,loop\n"), uint32(1500), int64(1e9))
	f.Add([]byte("0,1bit\n1ns,2tbit\n"), uint32(1<<31), int64(3))
	f.Add([]byte("0,0\n99999s,1bit\n100000s,loop"), uint32(1<<31), int64(1<<61))
	f.Fuzz(func(t *testing.T, data []byte, n uint32, at int64) {
		l := &RateFile{}
		if l.load(data) != nil {
			return
		}
		now := pkt.Time(min(max(at, 0), int64(pkt.Horizon)))
		for range 5 {
			feed := &feed{packets: []*pkt.Packet{{Len: n, Segs: 1}}}
			free, busy := l.Transmit(now, feed, feed)
			if !busy || free < now || free > pkt.Horizon {
				t.Fatalf("from %v to %v", now, free)
			}
			now = free
		}
	})
}
