package traffic

import (
	"fmt"
	"strings"
	"time"
)

// Report is what one source did.
type Report struct {
	// Source is the source's line of Describe.
	Source string `json:"source"`
	// Bytes counts payload that arrived: acknowledged by TCP, received for UDP
	// and ICMP.
	Bytes uint64 `json:"bytes"`
	// Sent and Received count datagrams (UDP, ICMP) or flows (web: begun and
	// finished); zero for bulk TCP.
	Sent     uint64 `json:"sent,omitempty"`
	Received uint64 `json:"received,omitempty"`
	// Time is the round-trip time of datagrams, or how long a web flow took.
	Time Spread `json:"time"`
	// Elapsed is from the source's first send to its end.
	Elapsed time.Duration `json:"elapsed_ns"`
	// Note says what was other than asked for; Err why the source ended early.
	Note string `json:"note,omitempty"`
	Err  string `json:"error,omitempty"`
}

// Spread sums up durations. The zero value is ready.
type Spread struct {
	N   uint64        `json:"n"`
	Min time.Duration `json:"min_ns"`
	Max time.Duration `json:"max_ns"`
	Sum time.Duration `json:"sum_ns"`
}

// Add counts d.
func (s *Spread) Add(d time.Duration) {
	if s.N == 0 || d < s.Min {
		s.Min = d
	}
	s.Max = max(s.Max, d)
	s.Sum += d
	s.N++
}

// Avg is the mean, 0 for none.
func (s Spread) Avg() time.Duration {
	if s.N == 0 {
		return 0
	}
	return s.Sum / time.Duration(s.N)
}

// BitsPerSecond is the rate at which payload arrived.
func (r Report) BitsPerSecond() uint64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return uint64(float64(r.Bytes) * 8 / r.Elapsed.Seconds())
}

// String is one line for people.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %.2f Mbit/s", r.Source, float64(r.BitsPerSecond())/1e6)
	if r.Sent > 0 {
		fmt.Fprintf(&b, ", %d of %d", r.Received, r.Sent)
	}
	if r.Time.N > 0 {
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		fmt.Fprintf(&b, ", min/avg/max %.2f/%.2f/%.2f ms", ms(r.Time.Min), ms(r.Time.Avg()), ms(r.Time.Max))
	}
	for _, s := range []string{r.Note, r.Err} {
		if s != "" {
			b.WriteString(" (" + s + ")")
		}
	}
	return b.String()
}
