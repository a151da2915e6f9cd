// Package profile reads descriptions of networks that other programs emulate, and
// makes scenarios of them: a link and a queue in uq's words, and the traffic that
// shares them.
//
//	iBox      network-profile-N.json of github.com/microsoft/internet-in-a-box
//	rattan    config.toml of github.com/stack-rs/rattan
//
// Both describe two directions; a uq link is one. What has no exact equal in uq is
// either refused, by its name and with a way out, or stands among
// [Profile.Notes], which become the comment of the scenario: nothing is changed
// without a word. Input is bounded and read strictly: an unknown key is an error.
package profile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"
)

// MaxBytes bounds a profile.
const MaxBytes = 1 << 20

// The directions: up is iBox's uplink, or rattan's way from left to right.
const (
	Up   = "up"
	Down = "down"
)

// Options choose what to take.
type Options struct {
	// Direction is Up or Down; "" is the one that iBox measured, or Up.
	Direction string
	// LinkHeader is what uq's rate counts of a packet before its IP header, in
	// bytes: that of the trace.
	LinkHeader int
	// Qdiscs replace the profile's queue, if there are any.
	Qdiscs []string
}

// Profile is one direction of a network.
type Profile struct {
	// Format is "iBox" or "rattan".
	Format string
	// Name is what the profile calls what it is of.
	Name string
	// Source is where the profile says it was learned from; may be empty.
	Source string
	// Wire are the link's first words, Rest those behind: "rate 20mbit", "delay
	// 5ms loss 1%".
	Wire, Rest string
	// File is what Wire reads, as the profile names it: it belongs behind the
	// word schedule. Empty for a rate.
	File   string
	Qdiscs []string
	// Cross is the rate of other traffic in each second, in bit/s.
	Cross []uint64
	// Notes are what differs from the profile, a sentence each.
	Notes []string
}

// Link is the link, where the file that it reads is called file.
func (p *Profile) Link(file string) string {
	words := []string{p.Wire, file, p.Rest}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// note adds a sentence.
func (p *Profile) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// Parse reads a profile of either kind.
func Parse(data []byte, o Options) (*Profile, error) {
	if o.Direction != "" && o.Direction != Up && o.Direction != Down {
		return nil, fmt.Errorf("direction %q: want up or down", o.Direction)
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("read the profile: more than %d bytes: want iBox's JSON or rattan's TOML", MaxBytes)
	}
	p, err := parse(data, o)
	if err != nil {
		return nil, err
	}
	if len(o.Qdiscs) > 0 {
		p.Qdiscs = o.Qdiscs
	}
	return p, nil
}

func parse(data []byte, o Options) (*Profile, error) {
	text := bytes.TrimSpace(data)
	switch {
	case len(text) == 0:
		return nil, errors.New("read the profile: it is empty: want iBox's JSON or rattan's TOML")
	case text[0] == '{':
		return parseIBox(text, o)
	}
	return parseRattan(text, o)
}

// Scenario is the profile as a file for uq test. file is Wire's, as a link beside
// the scenario names it; cross what the other traffic is in, "" if there is none.
func (p *Profile) Scenario(source, trace, file, cross string) (string, error) {
	var b strings.Builder
	from := fmt.Sprintf("From the %s profile %s: %s", p.Format, source, p.Name)
	if p.Source != "" {
		from += fmt.Sprintf(", learned from %q", p.Source)
	}
	comment(&b, "", from+".")
	if len(p.Notes) > 0 {
		comment(&b, "", "What differs from it:")
	}
	for _, n := range p.Notes {
		comment(&b, "- ", n)
	}
	if cross != "" {
		comment(&b, "- ", fmt.Sprintf("Its cross traffic is in %s, not in the trace below. To add it: uq trace merge TRACE %s -o MERGED, and name MERGED as the trace.", cross, cross))
	}
	type run struct {
		Name   string   `toml:"name"`
		Trace  string   `toml:"trace"`
		Qdiscs []string `toml:"qdiscs"`
	}
	text, err := toml.Marshal(struct {
		Link string `toml:"link"`
		Run  []run  `toml:"run"`
	}{p.Link(file), []run{{p.Name, trace, p.Qdiscs}}})
	if err != nil {
		return "", err
	}
	// Values of a run are not indented in uq's scenarios.
	return b.String() + strings.ReplaceAll(string(text), "\n  ", "\n"), nil
}

// lineWidth is where comments break.
const lineWidth = 84

// comment writes a paragraph, its first line behind bullet.
func comment(b *strings.Builder, bullet, text string) {
	line := "# " + bullet
	printed := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
	for i, word := range strings.Fields(printed) {
		switch {
		case i > 0 && len(line)+1+len(word) > lineWidth:
			b.WriteString(line + "\n")
			line = "# " + strings.Repeat(" ", len(bullet)) + word
		case i > 0:
			line += " " + word
		default:
			line += word
		}
	}
	b.WriteString(line + "\n")
}
