package link

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// slot gathers packets into slots, as access to a shared medium does: each is
// acquired for a time, and then lets through so many packets and bytes.
//
// Behind the wire a packet that is ready after the last slot opened acquires the
// next one; it arrives when that opens, with all that are ready until then, as
// far as they fit, in the order in which they left. What does not fit acquires
// the next slot when that one opens. In front, the scheduler is asked only in a
// slot; the slot ends when nothing is left to send, or with the opportunity in
// which its limits are reached.
type slot struct {
	on bool
	// wait is from acquiring a slot to its opening. Its spread is uniform from
	// first to last unless it has a distribution.
	wait        spread
	first, last time.Duration
	// packets and bytes are the most in a slot; 0 has no limit.
	packets, bytes int

	open        pkt.Time
	held        bool // in front: acquired and not used up
	packetsLeft int
	bytesLeft   int
}

func (s *slot) acquire(now pkt.Time) {
	if s.wait.table == nil {
		hi, lo := bits.Mul64(uint64(s.wait.next()), uint64(s.last-s.first))
		s.open = now.Add(s.first + time.Duration(hi<<32|lo>>32))
	} else {
		s.open = now.Add(s.wait.draw())
	}
	s.packetsLeft, s.bytesLeft = s.packets, s.bytes
	if s.packets == 0 {
		s.packetsLeft = math.MaxInt
	}
	if s.bytes == 0 {
		s.bytesLeft = math.MaxInt
	}
}

// use counts a packet and reports whether the slot is used up.
func (s *slot) use(p *pkt.Packet) (full bool) {
	s.packetsLeft--
	s.bytesLeft -= int(p.Len)
	return s.packetsLeft <= 0 || s.bytesLeft <= 0
}

// behind is when p, ready at t, arrives.
func (s *slot) behind(t pkt.Time, p *pkt.Packet) pkt.Time {
	if t > s.open {
		s.acquire(t)
	}
	at := s.open
	if s.use(p) {
		s.acquire(at)
	}
	return at
}

// read takes "MIN [MAX]" or "distribution NAME TIME JITTER", and after it
// "[packets N] [bytes SIZE]".
func (s *slot) read(words []string) (used int, err error) {
	*s = slot{on: true, open: -1}
	if len(words) > 0 && words[0] == "distribution" {
		used, err = s.readDistribution(words)
	} else {
		used, err = s.readSpan(words)
	}
	for err == nil && used+1 < len(words) && (words[used] == "packets" || words[used] == "bytes") {
		err = s.readLimit(words[used], words[used+1])
		used += 2
	}
	return used, err
}

func (s *slot) readSpan(words []string) (used int, err error) {
	if len(words) == 0 {
		return 0, fmt.Errorf("want a TIME, for example 800us 10ms, or distribution NAME TIME JITTER")
	}
	if s.first, err = parseDelay(words[0]); err != nil {
		return 0, err
	}
	s.last = s.first
	if len(words) == 1 || !numeric(words[1]) {
		return 1, nil
	}
	if s.last, err = parseDelay(words[1]); err == nil && s.last < s.first {
		err = fmt.Errorf("the longest wait, %s, is less than the shortest, %s", words[1], words[0])
	}
	return 2, err
}

func (s *slot) readDistribution(words []string) (used int, err error) {
	if len(words) < 4 {
		return 0, fmt.Errorf("want distribution NAME TIME JITTER")
	}
	if err = s.wait.distribute(words[1]); err != nil {
		return 0, err
	}
	if _, err = s.wait.readDelay(words[2:4]); err != nil {
		return 0, err
	}
	if s.wait.jitter == 0 {
		return 0, fmt.Errorf("distribution %s: want a JITTER above 0", words[1])
	}
	s.first, s.last = max(s.wait.mean-s.wait.jitter, 0), s.wait.mean+s.wait.jitter
	return 4, nil
}

func (s *slot) readLimit(word, value string) error {
	n, err := tc.ParseCount(value)
	if word == "bytes" {
		n, err = tc.ParseSize(value)
	}
	if err == nil && (n == 0 || n > math.MaxInt32) {
		err = fmt.Errorf("want from 1 to %d", math.MaxInt32)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", word, err)
	}
	if word == "bytes" {
		s.bytes = int(n)
	} else {
		s.packets = int(n)
	}
	return nil
}

func (s *slot) String() string {
	var b strings.Builder
	if s.wait.name != "" {
		fmt.Fprintf(&b, "distribution %s %s", s.wait.name, s.wait.String())
	} else {
		b.WriteString(exactTime(s.first) + " " + exactTime(s.last))
	}
	if s.packets > 0 {
		fmt.Fprintf(&b, " packets %d", s.packets)
	}
	if s.bytes > 0 {
		fmt.Fprintf(&b, " bytes %d", s.bytes)
	}
	return b.String()
}
