package netns

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/tc"
)

// MTU of every link, in bytes.
const MTU = 1500

// packetBytes is a full packet with its Ethernet header: what a limit in
// packets means to a queue that counts bytes.
const packetBytes = MTU + 14

// DefaultLimit is the bottleneck's queue in packets where none is given: a
// network device's usual one.
const DefaultLimit = 1000

// Bottleneck is the shaper behind the recorded queue and the path's delay.
// Zero fields are absent, or have defaults where said.
type Bottleneck struct {
	// Rate is in bit/s; 0 does not shape.
	Rate uint64 `json:"rate_bps,omitempty"`
	// Delay is added to a round trip.
	Delay time.Duration `json:"delay_ns,omitempty"`
	// Limit is the shaper's queue in packets of 1514 bytes; 0 is DefaultLimit.
	Limit int `json:"limit,omitempty"`
	// Burst is what the shaper may send at once, in bytes; 0 is two packets or
	// 2 ms at Rate, whichever is more.
	Burst int `json:"burst,omitempty"`
}

// ParseBottleneck reads "rate 20mbit delay 20ms limit 200 burst 10k", with
// tc's units, in any order; rate or delay must be there.
func ParseBottleneck(s string) (*Bottleneck, error) {
	words := strings.Fields(s)
	if len(words)%2 != 0 {
		return nil, fmt.Errorf("bottleneck %q: %q has no value", s, words[len(words)-1])
	}
	b := &Bottleneck{}
	for i := 0; i < len(words); i += 2 {
		if err := b.set(words[i], words[i+1]); err != nil {
			return nil, fmt.Errorf("bottleneck %q: %s: %w", s, words[i], err)
		}
	}
	if err := b.Validate(); err != nil {
		return nil, fmt.Errorf("bottleneck %q: %w", s, err)
	}
	return b, nil
}

func (b *Bottleneck) set(word, value string) (err error) {
	var n uint64
	switch word {
	case "rate":
		b.Rate, err = tc.ParseRate(value)
	case "delay":
		b.Delay, err = tc.ParseTime(value)
	case "limit":
		n, err = tc.ParseCount(value)
		b.Limit = int(min(n, math.MaxInt32))
	case "burst":
		n, err = tc.ParseSize(value)
		b.Burst = int(min(n, math.MaxInt32))
	default:
		return errors.New("unknown: want rate, delay, limit or burst")
	}
	return err
}

// Validate names what cannot work.
func (b *Bottleneck) Validate() error {
	const minRate, maxLimit = 8000, 1_000_000
	switch {
	case b.Rate == 0 && b.Delay == 0:
		return errors.New("want a rate, a delay or both")
	case b.Rate != 0 && b.Rate < minRate:
		return fmt.Errorf("rate %s: want at least %s", tc.FormatRate(b.Rate), tc.FormatRate(minRate))
	case b.Delay < 0 || b.Delay > 10*time.Second:
		return fmt.Errorf("delay %s: want at most 10s", b.Delay)
	case b.Limit < 0 || b.Limit > maxLimit:
		return fmt.Errorf("limit %d: want at most %d packets", b.Limit, maxLimit)
	case b.Burst != 0 && b.Burst < packetBytes:
		return fmt.Errorf("burst %d is below one packet, %d bytes", b.Burst, packetBytes)
	}
	return nil
}

func (b *Bottleneck) limit() int {
	if b.Limit == 0 {
		return DefaultLimit
	}
	return b.Limit
}

func (b *Bottleneck) burst() int {
	if b.Burst == 0 {
		return max(2*packetBytes, int(b.Rate/8/500))
	}
	return b.Burst
}

// String is what ParseBottleneck reads, in tc's words, defaults spelled out.
// The zero value and nil are empty.
func (b *Bottleneck) String() string {
	var w []string
	if b != nil && b.Rate != 0 {
		w = append(w, "rate", strings.ToLower(tc.FormatRate(b.Rate)))
	}
	if b != nil && b.Delay != 0 {
		w = append(w, "delay", tc.FormatTime(b.Delay))
	}
	if b != nil && b.Rate != 0 {
		w = append(w, "limit", fmt.Sprint(b.limit()), "burst", tc.FormatSize(uint64(b.burst())))
	}
	return strings.Join(w, " ")
}
