package wifi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/tc"
)

// Kind implements link.Link.
func (m *Medium) Kind() string { return "wifi" }

// Options implements link.Link. A medium that was not made of words has none.
func (m *Medium) Options() []tc.Field { return nil }

// Kind is the medium's entry in a list of links.
func Kind() link.Kind {
	c := newScenario()
	s := newMember()
	globals, station := c.options(), s.options()
	usage := strings.TrimPrefix(station.Usage(""), "Usage: ... ")
	return link.Kind{
		Name: "wifi", Summary: "an access point's 802.11 medium: contention, aggregates, retries, airtime",
		Usage: globals.Usage("wifi") + " sta ADDRESS" + usage + " [ sta ... ] [ IMPAIRMENTS ]",
		Options: "  file FILE [ sha256 DIGITS ]  all of it in TOML: words as keys, [[sta]] with address for each station, behind\n" + globals.Help() +
			"  sta ADDRESS  a station: addresses or prefixes with commas between them, or any; what follows is its own\n" + station.Help(),
		New: fromWords,
	}
}

// standard is a physical layer with its channel's width, and where it is.
type standard struct {
	name  string
	phy   PHY
	width int
	bands string
}

// standards are what a cell, or a station, may be, with its channel's width.
var standards = []standard{
	{"a", OFDM, 20, "5ghz"}, {"b", DSSS, 20, "2.4ghz"}, {"g", OFDM, 20, "2.4ghz"},
	{"ht20", HT, 20, "2.4ghz 5ghz"}, {"ht40", HT, 40, "2.4ghz 5ghz"},
	{"vht20", VHT, 20, "5ghz"}, {"vht40", VHT, 40, "5ghz"}, {"vht80", VHT, 80, "5ghz"}, {"vht160", VHT, 160, "5ghz"},
	{"he20", HE, 20, "2.4ghz 5ghz"}, {"he40", HE, 40, "2.4ghz 5ghz"}, {"he80", HE, 80, "5ghz"}, {"he160", HE, 160, "5ghz"},
}

// aliases are the standards' names in the letters of IEEE 802.11.
var aliases = map[string]string{"n": "ht20", "ac": "vht80", "ax": "he80"}

func standardNames() (names []string) {
	for _, s := range standards {
		names = append(names, s.name)
	}
	return names
}

// word is an option of one value that is printed without its name.
func word(name, arg, help string, set func(string) error, text func() string) tc.Option {
	return tc.Values(name, arg, help, func(words []string) (int, error) {
		if len(words) == 0 {
			return 0, fmt.Errorf("want %s", arg)
		}
		return 1, set(words[0])
	}, func() tc.Field {
		return tc.Field{Key: name, Text: text(), Bare: true, Hidden: text() == ""}
	})
}

// oneWord is a word out of a list.
func oneWord(name, help string, v *string, list []string) tc.Option {
	return word(name, strings.ToUpper(name), help, func(s string) error {
		if a, ok := aliases[s]; ok {
			s = a
		}
		if !slices.Contains(list, s) {
			hint := ""
			if n := tc.Nearest(s, list); n != "" {
				hint = fmt.Sprintf("did you mean %q? ", n)
			}
			return fmt.Errorf("%q: %sknown are %s", s, hint, strings.Join(list, ", "))
		}
		*v = s
		return nil
	}, func() string { return *v })
}

var bands = []string{"2.4ghz", "5ghz"}

// options are the cell's own words.
func (c *scenario) options() tc.Options {
	d := DefaultConfig()
	k := &c.conf
	return tc.Options{
		oneWord("standard", strings.Join(standardNames(), ", ")+"; or n, ac, ax (ht20)", &c.standard, standardNames()),
		oneWord("band", "2.4ghz or 5ghz (as the standard has it, else 5ghz)", &c.band, bands),
		tc.Values("basic", "RATE", "rate of group-addressed frames (6mbit; 1mbit with stations of b)", readRate(&c.basic), func() tc.Field {
			return tc.Field{Key: "basic", Num: int64(c.basic), Text: rateText(c.basic), Hidden: c.basic == 0}
		}),
		tc.Flag("longslot", &k.LongSlot, "slots of 20us at 2.4ghz, as with stations of b (b always has them)").HiddenIf(func() bool { return c.standard == "b" }),
		size("rtscts", &k.RTS, 1<<20, "RTS and CTS before PPDUs of more bytes (never)"),
		tc.Values("protect", "RATE", "CTS to itself at this rate before what stations of a, b and g do not understand (none)", readRate(&c.protect), func() tc.Field {
			return tc.Field{Key: "protect", Num: int64(c.protect), Text: rateText(c.protect), Hidden: c.protect == 0}
		}),
		edca("edca", "the access point's aifsn, cwmin, cwmax, txop of bk, be, vi or vo; or dcf", &k.EDCA),
		edca("sta_edca", "the stations', likewise", &k.StationEDCA),
		link.Span("ampdu_time", &k.Longest, 5484*time.Microsecond, "the longest an aggregate may take (4ms)").HiddenIf(func() bool { return k.Longest == d.Longest }),
		size("ampdu_bytes", &k.MaxBytes, 6500631, "the most bytes in one (as the standard has it)"),
		none(tc.Count("ampdu_frames", &k.MaxMPDUs, 1, MaxMPDUs, "", "the most frames in one (as the standard has it)"), &k.MaxMPDUs),
		size("amsdu", &k.AMSDU, 11398, "packets joined into frames of so many bytes (none)"),
		tc.Count("hw_queue", &k.Hardware, 1, 64, "", "aggregates ready in hardware for each category, the one on the air included (2)").HiddenIf(func() bool { return k.Hardware == d.Hardware }),
		tc.Packets("driver_queue", &k.Driver, 1, 1<<20, "packets the driver holds below a qdisc that knows no stations (128)").HiddenIf(func() bool { return k.Driver == d.Driver }),
		tc.Count("retries", &k.Retries, 0, 255, "", "how often a frame is sent again (7)").HiddenIf(func() bool { return k.Retries == d.Retries }),
		none(link.Span("beacon", &k.BeaconInterval, 65535*tu, "time between beacons, usually 102.4ms (no beacons)"), &k.BeaconInterval),
		size("beacon_bytes", &k.BeaconBytes, 2304, "a beacon's length (250)"),
		none(tc.Count("dtim", &k.DTIM, 1, 255, "", "the group's frames wait for each so-many-th beacon while a station sleeps (1)"), &k.DTIM),
		none(tc.Packets("uplink_queue", &k.UplinkLimit, 1, 1<<20, "packets a station holds of what it sends, in each category (1000)"), &k.UplinkLimit),
	}
}

// tu is 802.11's unit of time.
const tu = 1024 * time.Microsecond

// options are a station's words.
func (s *member) options() tc.Options {
	return slices.Concat(s.modeOptions(), s.rateOptions(), tc.Options{
		tc.Count("weight", &s.Weight, 1, 65535, "", "airtime in us that it has in a round of all (the qdisc's)").HiddenIf(func() bool { return s.Weight == 0 }),
		none(tc.Count("sleep", &s.Sleep, 1, 65535, "", "power save: it listens to each so-many-th beacon"), &s.Sleep),
		s.lingers(),
		s.sends(),
	})
}

// guard prints a guard interval that is not the standard's usual one.
func (s *member) guard() string {
	switch s.gi {
	case 400:
		return "sgi"
	case 1600, 3200:
		return numbered("gi", s.gi, 0)
	}
	return ""
}

func readNumber(v *int, low, high int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < low || n > high {
			return fmt.Errorf("want %d to %d", low, high)
		}
		*v = n
		return nil
	}
}

// readRate reads a rate in kbit/s.
func readRate(kbps *int) func([]string) (int, error) {
	return func(words []string) (int, error) {
		if len(words) == 0 {
			return 0, fmt.Errorf("want a RATE, for example 6mbit")
		}
		bps, err := tc.ParseRate(words[0])
		if err == nil && legacy(int(min(bps/1000, 1<<30))) == nil {
			err = fmt.Errorf("want one of 1mbit 2mbit 5.5mbit 11mbit, or 6mbit 9mbit 12mbit 18mbit 24mbit 36mbit 48mbit 54mbit")
		}
		*kbps = int(min(bps/1000, 1<<30))
		return 1, err
	}
}

// legacy is the mode of a rate without aggregates, nil for none.
func legacy(kbps int) *Mode {
	for _, phy := range []PHY{DSSS, OFDM} {
		m := Mode{PHY: phy, Width: 20, Kbps: kbps}
		if m.Validate() == nil {
			return &m
		}
	}
	return nil
}

func rateText(kbps int) string {
	if kbps%1000 == 0 {
		return strconv.Itoa(kbps/1000) + "mbit"
	}
	return fmt.Sprintf("%d.%dmbit", kbps/1000, kbps%1000/100)
}

// spell writes short words out: ht20 is "standard ht20", mcs15 "mcs 15", sgi "gi
// 400", 6mbit "rate 6mbit".
func spell(words []string) (out []string) {
	for i, w := range words {
		value := i > 0 && slices.Contains([]string{"standard", "band", "basic", "protect", "rate", "mcs", "nss", "gi"}, words[i-1])
		name, number := splitNumber(w)
		switch {
		case value:
			out = append(out, w)
		case aliases[w] != "" || slices.Contains(standardNames(), w):
			out = append(out, "standard", w)
		case slices.Contains(bands, w):
			out = append(out, "band", w)
		case number != "" && slices.Contains([]string{"mcs", "nss", "gi"}, name):
			out = append(out, name, number)
		case w == "sgi":
			out = append(out, "gi", "400")
		case w == "lgi":
			out = append(out, "gi", "800")
		case strings.HasSuffix(w, "bit") && isRate(w):
			out = append(out, "rate", w)
		default:
			out = append(out, w)
		}
	}
	return out
}

func isRate(w string) bool {
	_, err := tc.ParseRate(w)
	return err == nil
}

// splitNumber takes the digits off the end of a word.
func splitNumber(w string) (name, number string) {
	name = strings.TrimRight(w, "0123456789")
	return name, w[len(name):]
}
