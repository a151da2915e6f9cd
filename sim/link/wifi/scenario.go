package wifi

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/tc"
)

// Cell is a Medium that was described in words.
type Cell struct {
	*Medium
	words scenario
	file  string // what a file said, in words; "" if there was none
}

// scenario is what the words say.
type scenario struct {
	standard, band string
	basic, protect int // kbit/s; 0 is the band's, and none
	conf           Config
	stations       []member
}

// member is what the words say of a station.
type member struct {
	Station
	standard string
	mcs      int // -1 is none
	nss, gi  int // 0 is the usual one
	kbps     int // 0 is none
	snr      int // dB, -1 is none
	errors   []uint32
	// file has its rates over time, "" is none; sum is its digest.
	file, sum string
}

func newMember() member { return member{mcs: -1, snr: -1} }

// maxStations bounds a cell.
const maxStations = 512

func newScenario() scenario { return scenario{conf: DefaultConfig()} }

// fromWords makes the cell that a line describes.
//
//	wifi ht20 5ghz sta 10.0.0.2 mcs15 sgi sta 10.0.0.3 mcs0
//
// What stands before the first sta is the cell's, what follows a station's
// address is that station's, and what of netem stands at the end happens behind
// the medium.
func fromWords(line string, env link.Env) (link.Link, error) {
	given := strings.Fields(line)[1:]
	words, err := expand(given, &env)
	if err != nil {
		return nil, err
	}
	behind := len(words)
	if i := slices.IndexFunc(words, link.IsImpairment); i >= 0 {
		behind = i
	}
	c := newScenario()
	if err := c.parse(words[:behind], &env); err != nil {
		return nil, err
	}
	m := &Cell{Medium: New(c.conf, env), words: c}
	if len(given) > 0 && given[0] == "file" {
		if m.file = "wifi " + strings.Join(words, " "); len(m.file) > link.MaxWords {
			return nil, fmt.Errorf("file %s: %d bytes as words: want at most %d: give stations a prefix in common", given[1], len(m.file), link.MaxWords)
		}
	}
	return link.Behind(m, words[behind:], env)
}

// parse reads the words and makes the configuration of them.
func (c *scenario) parse(words []string, env *link.Env) error {
	own, rest := cut(words)
	if err := c.options().Parse("wifi", spell(own)); err != nil {
		s := newMember()
		return misplaced(err, "wifi", s.options(), "a station's: write it behind the station's address")
	}
	if err := c.complete(); err != nil {
		return fmt.Errorf("wifi: %w", err)
	}
	for len(rest) > 0 {
		own, rest = cut(rest[1:])
		if err := c.station(own, env); err != nil {
			return err
		}
	}
	switch n := len(c.stations); {
	case n == 0:
		return fmt.Errorf("wifi: no stations: add for example \"sta 10.0.0.2 mcs7\"")
	case n > maxStations:
		return fmt.Errorf("wifi: %d stations: want at most %d", n, maxStations)
	}
	if c.basic == 0 && slices.ContainsFunc(c.stations, func(s member) bool { return s.standard == "b" }) {
		c.conf.Basic = *legacy(1000) // what they do not understand is not for all
	}
	if err := c.beacons(); err != nil {
		return fmt.Errorf("wifi: %w", err)
	}
	return nil
}

// cut splits words before the next sta.
func cut(words []string) (own, rest []string) {
	if i := slices.Index(words, "sta"); i >= 0 {
		return words[:i], words[i:]
	}
	return words, nil
}

// complete sets what the words leave open.
func (c *scenario) complete() error {
	if c.standard == "" {
		c.standard = "ht20"
	}
	s := standards[slices.Index(standardNames(), c.standard)]
	if c.band == "" {
		c.band = "5ghz"
		if !strings.Contains(s.bands, c.band) {
			c.band = s.bands
		}
	}
	if !slices.Contains(strings.Fields(s.bands), c.band) {
		return fmt.Errorf("%s is not at %s: write %s", s.name, c.band, strings.ReplaceAll(s.bands, " ", " or "))
	}
	c.conf.GHz2 = c.band == "2.4ghz"
	switch {
	case c.basic > 0:
		c.conf.Basic = *legacy(c.basic)
	case s.phy == DSSS:
		c.conf.Basic = *legacy(1000)
	}
	if c.protect > 0 {
		c.conf.Protect = *legacy(c.protect)
	}
	switch {
	case c.conf.GHz2:
	case c.conf.Basic.PHY == DSSS:
		return fmt.Errorf("basic %s is not at 5ghz: write 6mbit or more", rateText(c.basic))
	case c.protect > 0 && c.conf.Protect.PHY == DSSS:
		return fmt.Errorf("protect %s is not at 5ghz: write 6mbit or more", rateText(c.protect))
	case c.conf.LongSlot:
		return fmt.Errorf("longslot is not at 5ghz: leave it out")
	}
	if s.phy == DSSS {
		c.conf.LongSlot = true
	}
	return nil
}

// beacons checks what the words say of them.
func (c *scenario) beacons() error {
	b, bytes := c.conf.BeaconInterval, cmp.Or(c.conf.BeaconBytes, beaconBytes)
	switch air := c.conf.Basic.Duration(bytes); {
	case b == 0 && c.conf.DTIM > 0:
		return fmt.Errorf("dtim %d, and there are no beacons: add \"beacon 102.4ms\"", c.conf.DTIM)
	case b > 0 && b < tu:
		return fmt.Errorf("beacon %s: want at least 1.024ms", link.SpanText(b))
	case b > 0 && b <= air:
		return fmt.Errorf("beacon %s: one of %d bytes takes %s at %s: write a longer time, usually 102.4ms",
			link.SpanText(b), bytes, link.SpanText(air), rateText(c.conf.Basic.Kbps))
	}
	return nil
}

// station adds the station that words describe: its address and its own.
func (c *scenario) station(words []string, env *link.Env) error {
	if len(words) == 0 {
		return fmt.Errorf("wifi: sta needs an address: write for example \"sta 10.0.0.2 mcs7\"")
	}
	s := newMember()
	if err := c.address(&s, words[0]); err != nil {
		return err
	}
	kind := "sta " + s.name()
	if err := s.options().Parse(kind, spell(words[1:])); err != nil {
		return misplaced(err, kind, c.options(), "the cell's: write it before the first sta")
	}
	for _, step := range []func() error{
		func() error { return s.setMode(c) }, s.setErrors, func() error { return s.loadRates(c, env) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	if s.Sleep > 0 && c.conf.BeaconInterval == 0 {
		return fmt.Errorf("%s sleeps, and there are no beacons: write \"beacon 102.4ms\" before the stations", kind)
	}
	c.stations = append(c.stations, s)
	c.conf.Stations = append(c.conf.Stations, s.Station)
	return nil
}

// misplaced says where an unknown word belongs, if it is one of others.
func misplaced(err error, kind string, others tc.Options, whose string) error {
	if u := (*tc.Unknown)(nil); errors.As(err, &u) && others.Knows(u.Word) {
		return fmt.Errorf("%s: %q is %s", kind, u.Word, whose)
	}
	return err
}

// address reads a station's.
func (c *scenario) address(s *member, text string) error {
	if err := s.addresses(text); err != nil {
		return fmt.Errorf("sta: illegal %q: %w", text, err)
	}
	for i := range c.stations {
		if s.same(&c.stations[i].Station) {
			return fmt.Errorf("sta %s: an address of it is another station's: %s", s.name(), c.stations[i].name())
		}
	}
	return nil
}

// fits says whether the cell can have a station of standard k: at its band, no
// wider, and none that the access point does not know.
func (c *scenario) fits(k standard) error {
	own := standards[slices.Index(standardNames(), c.standard)]
	switch {
	case !slices.Contains(strings.Fields(k.bands), c.band):
		var there []string
		for _, s := range standards {
			if slices.Contains(strings.Fields(s.bands), c.band) {
				there = append(there, s.name)
			}
		}
		return fmt.Errorf("%s is not at %s, where the cell is: write one of %s", k.name, c.band, strings.Join(there, ", "))
	case k.phy > own.phy:
		return fmt.Errorf("%s is of a later standard than the cell, %s: let the cell be of its standard", k.name, own.name)
	case k.width > own.width:
		return fmt.Errorf("%s is wider than the cell, %s: let the cell be as wide", k.name, own.name)
	}
	return nil
}

// setMode makes the mode of the words.
func (s *member) setMode(c *scenario) error {
	if s.standard == c.standard {
		s.standard = "" // as the cell
	}
	name := s.standard
	if name == "" {
		name = c.standard
	}
	k := standards[slices.Index(standardNames(), name)]
	if err := c.fits(k); err != nil {
		return err
	}
	switch {
	case s.kbps > 0 && s.mcs >= 0:
		return fmt.Errorf("mcs%d and %s: write one of them", s.mcs, rateText(s.kbps))
	case s.kbps > 0 && s.nss+s.gi > 0:
		return fmt.Errorf("%s has no streams and no guard interval to choose: leave them out", rateText(s.kbps))
	case s.kbps > 0:
		s.Mode = *legacy(s.kbps)
		if s.Mode.PHY == DSSS && !c.conf.GHz2 {
			return fmt.Errorf("%s is not at 5ghz: write 6mbit or more", rateText(s.kbps))
		}
		if s.Mode.PHY > k.phy {
			return fmt.Errorf("%s is not among the rates of %s: write 1mbit, 2mbit, 5.5mbit or 11mbit", rateText(s.kbps), k.name)
		}
		return nil
	case k.phy == DSSS || k.phy == OFDM:
		return fmt.Errorf("no rate: write for example 11mbit (b) or 54mbit (a, g)")
	case s.mcs < 0:
		return fmt.Errorf("no rate: write for example mcs7")
	case k.phy == HT && s.nss > 0:
		return fmt.Errorf("nss%d: ht numbers streams in its mcs: mcs%d has %d", s.nss, s.mcs, s.mcs/8+1)
	}
	s.Mode = Mode{PHY: k.phy, Width: k.width, MCS: s.mcs, GI: 800}
	if k.phy != HT {
		s.Mode.Streams = max(s.nss, 1)
	}
	if s.gi > 0 {
		s.Mode.GI = time.Duration(s.gi)
	}
	return s.Mode.Validate()
}

// Name is the address of a station and the mode in which it is sent to; the number
// after the last station's is the group's.
func (c *Cell) Name(i int) (address, mode string) {
	if i == len(c.words.stations) {
		return "group", c.conf.Basic.String()
	}
	return c.words.stations[i].name(), c.conf.Stations[i].Mode.String()
}

// Options implements link.Link.
func (c *Cell) Options() []tc.Field {
	fields := c.words.options().Fields()
	for i := range c.words.stations {
		s := &c.words.stations[i]
		text := strings.TrimSpace(tc.Line(s.name(), s.options().Fields()))
		fields = append(fields, tc.Field{Key: "sta", Text: text})
	}
	return fields
}

var _ link.Cell = (*Cell)(nil)
