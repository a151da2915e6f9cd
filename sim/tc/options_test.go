package tc

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// pair is an option with one or two values.
func pair(a, b *time.Duration) Option {
	return Values("delay", "TIME [ JITTER ]", "how long", func(words []string) (used int, err error) {
		for _, d := range []*time.Duration{a, b} {
			if used == len(words) {
				break
			}
			v, err := ParseTime(words[used])
			if err != nil {
				break
			}
			*d = v
			used++
		}
		if used == 0 {
			return 0, fmt.Errorf("want a time")
		}
		return used, nil
	}, func() Field { return Field{Key: "delay", Text: FormatTime(*a) + " " + FormatTime(*b)} })
}

func TestValues(t *testing.T) {
	for _, c := range []struct {
		words, want string
	}{
		{"delay 5ms", "5ms 0us"},
		{"delay 5ms 1ms", "5ms 1ms"},
		{"delay 5ms 1ms ecn", "5ms 1ms ecn"},
		{"ecn delay 5ms ecn", "5ms 0us ecn"},
		{"delay", `link: illegal "delay": want a time`},
		{"delay 5ms 1ms 2ms", `link: What is "2ms"? Usage: ... link [ delay TIME [ JITTER ] ] [ ecn ]`},
	} {
		var a, b time.Duration
		ecn := false
		err := Options{pair(&a, &b), Flag("ecn", &ecn, "mark")}.Parse("link", strings.Fields(c.words))
		got := FormatTime(a) + " " + FormatTime(b)
		if ecn {
			got += " ecn"
		}
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.words, got, c.want)
		}
	}
}

// TestPackets checks that a number of packets is bounded in packets.
func TestPackets(t *testing.T) {
	n := 0
	o := Options{Packets("limit", &n, 1, 1<<20, "how many")}
	for words, want := range map[string]int{"1": 1, "7p": 7, "1k": 1024, "1m": 1 << 20} {
		if err := o.Parse("x", []string{"limit", words}); err != nil || n != want {
			t.Errorf("limit %s is %d, %v, want %d", words, n, err, want)
		}
	}
	for _, words := range []string{"0", "2m"} {
		if err := o.Parse("x", []string{"limit", words}); err == nil || !strings.Contains(err.Error(), "want 1 to 1048576") {
			t.Errorf("limit %s: %v", words, err)
		}
	}
}

// TestSuggestions has slips and what is suggested for them.
func TestSuggestions(t *testing.T) {
	v, n := false, 0
	o := Options{Flag("wash", &v, ""), Count("limit", &n, 0, 9, "", ""), Word("split-gso", "", func() {})}
	for word, want := range map[string]string{
		"no-wash": `Did you mean "nowash"?`, "LIMIT": `Did you mean "limit"?`, "wahs": `Did you mean "wash"?`, "nosplit-gso": `Did you mean "split-gso"?`, "bandwidth": "?",
	} {
		err := o.Parse("x", []string{word})
		if err == nil || !strings.Contains(err.Error(), want) || want == "?" && strings.Contains(err.Error(), "mean") {
			t.Errorf("%s: %v, want %s", word, err, want)
		}
	}
}

func TestHelp(t *testing.T) {
	n := 1
	err := Options{Count("limit", &n, 0, 9, "p", "packets queued")}.Parse("pfifo", []string{"limit", "2", "help"})
	var h *Help
	if !errors.As(err, &h) || h.Kind != "pfifo" || !strings.Contains(h.Options, "packets queued") {
		t.Errorf("help: %v", err)
	}
}
