package wifi

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// modeOptions are the words that a rate is made of.
func (s *member) modeOptions() tc.Options {
	return tc.Options{
		oneWord("standard", "the station's, if not the cell's", &s.standard, standardNames()),
		word("mcs", "NUMBER", "mcs0 to mcs31 (ht), mcs9 (vht), mcs11 (he)", readNumber(&s.mcs, 0, 31), func() string { return numbered("mcs", s.mcs, -1) }),
		word("nss", "NUMBER", "spatial streams of vht and he, nss1 to nss8 (1)", readNumber(&s.nss, 1, 8), func() string { return numbered("nss", s.nss, 0) }),
		word("gi", "NS", "guard interval: sgi or lgi, for he gi800, gi1600 or gi3200 (800)", readNumber(&s.gi, 400, 3200), s.guard),
		tc.Values("rate", "RATE", "a rate of a, b or g: 1mbit to 54mbit", readRate(&s.kbps), func() tc.Field {
			return tc.Field{Key: "rate", Num: int64(s.kbps), Text: rateText(s.kbps), Bare: true, Hidden: s.kbps == 0}
		}),
	}
}

// rateOptions are the words for rates that change and frames that are lost.
func (s *member) rateOptions() tc.Options {
	return tc.Options{
		tc.Flag("minstrel", &s.Minstrel, "choose among its rate and those below by what is received"),
		tc.Values("rates", "FILE [ sha256 DIGITS ]", "rates over time: lines of TIME,RATE such as 5s,mcs3", s.readRates, func() tc.Field {
			return tc.Field{Key: "rates", Text: s.file + " sha256 " + s.sum, Hidden: s.file == ""}
		}),
		link.Percent("error", &s.Error, "share of its frames that are not received (0%)"),
		tc.Values("errors", "P% ...", "that share by MCS, or by rate, from the lowest on; the last is for all above", s.readErrors, s.errorsField),
		tc.Values("snr", "DB", "that share as a signal to noise ratio of 0 to 60 dB gives it", func(words []string) (int, error) {
			if len(words) == 0 {
				return 0, fmt.Errorf("want DB, 0 to 60")
			}
			return 1, readNumber(&s.snr, 0, 60)(words[0])
		}, func() tc.Field {
			return tc.Field{Key: "snr", Num: int64(s.snr), Hidden: s.snr < 0}
		}),
	}
}

func (s *member) readRates(words []string) (int, error) {
	if len(words) == 0 {
		return 0, fmt.Errorf("want the name of a file")
	}
	s.file, s.sum = words[0], ""
	if len(words) < 3 || words[1] != "sha256" {
		return 1, nil
	}
	s.sum = words[2]
	return 3, link.CheckSum(s.sum)
}

// readErrors takes percentages as long as there are any.
func (s *member) readErrors(words []string) (used int, err error) {
	s.errors = nil
	for _, w := range words {
		if !strings.HasSuffix(w, "%") {
			break
		}
		p, err := link.ParsePercent(w)
		if err != nil {
			return 0, err
		}
		s.errors = append(s.errors, p)
	}
	if s.errors == nil {
		return 0, fmt.Errorf("want percentages, for example 0%% 0%% 1%% 10%%")
	}
	return len(s.errors), nil
}

func (s *member) errorsField() tc.Field {
	var texts []string
	for _, p := range s.errors {
		texts = append(texts, link.PercentText(p))
	}
	return tc.Field{Key: "errors", Text: strings.Join(texts, " "), Hidden: texts == nil}
}

// setErrors makes the station's table of errors, and checks that the words say it
// once.
func (s *member) setErrors() error {
	said := 0
	for _, is := range []bool{s.Error > 0, s.errors != nil, s.snr >= 0} {
		if is {
			said++
		}
	}
	switch {
	case said > 1:
		return fmt.Errorf("error, errors and snr say the same in different ways: write one of them")
	case s.Minstrel && s.file != "":
		return fmt.Errorf("minstrel and rates both choose the rate: write one of them")
	case s.errors != nil:
		s.Errors = s.errors
	case s.snr >= 0:
		s.Errors = ErrorsAt(s.Mode, s.snr)
	}
	return nil
}

// maxRates bounds a file of rates.
const maxRates = 1 << 20

// loadRates reads the station's file.
func (s *member) loadRates(c *scenario, env *link.Env) (err error) {
	if s.file == "" {
		return nil
	}
	data, sum, err := env.Pinned("rates", s.file, s.sum)
	if err != nil {
		return err
	}
	s.sum = sum
	number := 0
	for line := range bytes.Lines(data) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' || number == 1 && strings.HasPrefix(text, "time,") {
			continue
		}
		if len(s.Rates) == maxRates {
			return fmt.Errorf("rates %s: line %d: want at most %d rates", s.file, number, maxRates)
		}
		p, err := s.ratePoint(c, text)
		if err != nil {
			return fmt.Errorf("rates %s: line %d: %w", s.file, number, err)
		}
		s.Rates = append(s.Rates, p)
	}
	if len(s.Rates) == 0 {
		return fmt.Errorf("rates %s: no rates: write lines such as \"5s,mcs3\"", s.file)
	}
	return nil
}

// ratePoint reads "5s,mcs3 sgi".
func (s *member) ratePoint(c *scenario, text string) (p RatePoint, err error) {
	at, rate, ok := strings.Cut(text, ",")
	if !ok {
		return p, fmt.Errorf("%q: want TIME,RATE, for example 5s,mcs3", text)
	}
	d, err := tc.ParseTime(strings.TrimSpace(at))
	if err != nil {
		return p, err
	}
	if n := len(s.Rates); n > 0 && s.Rates[n-1].At >= pkt.Time(d) {
		return p, fmt.Errorf("time %s is not after that of the line before", at)
	}
	m := newMember()
	m.standard = s.standard
	if err := m.modeOptions().Parse("rate", spell(strings.Fields(rate))); err != nil {
		return p, err
	}
	if err := m.setMode(c); err != nil {
		return p, err
	}
	if m.Mode.PHY != s.Mode.PHY {
		return p, fmt.Errorf("%s is of another physical layer than the station, %s", m.Mode.String(), s.Mode.String())
	}
	return RatePoint{At: pkt.Time(d), Mode: m.Mode}, nil
}

// Pin adds the digests of files to the words of which the cell was made. A file of
// the whole cell is written out.
func (c *Cell) Pin(spec string) string {
	if c.file != "" {
		spec = c.file
	}
	words := strings.Fields(spec)
	for i := range c.words.stations {
		s := &c.words.stations[i]
		if s.file == "" {
			continue
		}
		for at := range words[:len(words)-1] {
			if words[at] == "rates" && words[at+1] == s.file && (at+2 == len(words) || words[at+2] != "sha256") {
				words = slices.Insert(words, at+2, "sha256", s.sum)
				break
			}
		}
	}
	return strings.Join(words, " ")
}

// Peak implements link.Peaked: what the fastest station's frames carry.
func (c *Cell) Peak() (bps uint64) {
	for i := range c.conf.Stations {
		s := &c.conf.Stations[i]
		bps = max(bps, uint64(s.Mode.Kbits())*1000)
		for j := range s.Rates {
			bps = max(bps, uint64(s.Rates[j].Mode.Kbits())*1000)
		}
	}
	return bps
}

// Holds implements link.Holder: the driver's queue, what each station's block
// acknowledgement window has under way in all categories, what is kept while they
// sleep, and what stations hold of one category that they send.
func (c *Cell) Holds(int) uint64 {
	n := uint64(c.conf.Driver)
	for i := range c.txqs {
		for ac := range c.txqs[i] {
			l := &c.txqs[i][ac].limits
			n += uint64(l.window*max(l.amsdu/minPacket, 1) + 2)
		}
	}
	if c.conf.BeaconInterval > 0 {
		n += uint64(c.Stations()*pkt.NumACs*maxSaved + maxGroupSaved)
	}
	return n + uint64(c.Stations()*c.conf.UplinkLimit)
}

// minPacket is the least that a packet takes in an A-MSDU, in bytes.
const minPacket = 14 + 28

func numbered(name string, n, none int) string {
	if n == none {
		return ""
	}
	return name + strconv.Itoa(n)
}
