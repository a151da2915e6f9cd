package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// listedKind is a scheduler or link in a list.
type listedKind struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
	// Usage is the synopsis as tc prints it, Options a line for each word.
	Usage   string   `json:"usage,omitempty"`
	Options []string `json:"options,omitempty"`
	// Inside is how many qdiscs fit in brackets.
	Inside int `json:"qdiscs_inside,omitempty"`
}

// kindList is what uq sim --list --json prints.
type kindList struct {
	Format int          `json:"uq_format"`
	Qdiscs []listedKind `json:"qdiscs"`
	Links  []listedKind `json:"links"`
}

// listedQdisc asks a kind for its words, as "tc qdisc add ... KIND help" does.
func listedQdisc(ports egress.Maker, k sched.Kind) listedKind {
	l := listedKind{Name: k.Name, Summary: k.Summary, Inside: k.Children}
	l.help(ports.CheckQdisc(k.Name + " help"))
	return l
}

// help takes the words of the answer to the word help.
func (l *listedKind) help(answer error) {
	var h *tc.Help
	if errors.As(answer, &h) {
		l.Usage = h.Usage
		for line := range strings.Lines(h.Options) {
			l.Options = append(l.Options, strings.TrimSpace(line))
		}
	}
}

// words prints the kind for people.
func (l *listedKind) words(b *strings.Builder) {
	fmt.Fprintf(b, "%-12s %s\n", l.Name, l.Summary)
	for _, o := range l.Options {
		fmt.Fprintf(b, "    %s\n", o)
	}
	switch {
	case l.Inside == 1:
		fmt.Fprintf(b, "    %-*s%s\n", l.column(), "[ QDISC ]", "the qdisc inside, in brackets")
	case l.Inside > 1:
		fmt.Fprintf(b, "    %-*sup to %d qdiscs inside, each in brackets\n", l.column(), "[ QDISC ] ...", l.Inside)
	}
}

// column is where the help begins in each line of the options.
func (l *listedKind) column() int {
	for _, o := range l.Options {
		if i := strings.Index(o, "  "); i >= 0 {
			return len(o) - len(strings.TrimLeft(o[i:], " "))
		}
	}
	return len("[ QDISC ] ...  ")
}

// listedLink is a link's, or of what may happen around one.
func listedLink(k link.Kind) listedKind {
	l := listedKind{Name: k.Name, Summary: k.Summary, Usage: k.Usage}
	for line := range strings.Lines(k.Options) {
		l.Options = append(l.Options, strings.TrimSpace(line))
	}
	return l
}

// runSimList prints every scheduler and link with its options.
func runSimList(s *streams, asJSON bool) error {
	list := kindList{Format: report.Format}
	for _, k := range s.ports.Qdiscs {
		list.Qdiscs = append(list.Qdiscs, listedQdisc(s.ports, k))
	}
	for _, k := range append(s.ports.LinkKinds(), link.Impairments()...) {
		list.Links = append(list.Links, listedLink(k))
	}
	if asJSON {
		e := json.NewEncoder(s.out)
		e.SetIndent("", "  ")
		return e.Encode(list)
	}
	var b strings.Builder
	b.WriteString("qdiscs, for --qdisc:\n\n")
	for _, k := range list.Qdiscs {
		k.words(&b)
	}
	b.WriteString("\nlinks, for --link:\n\n")
	for _, k := range list.Links {
		k.words(&b)
	}
	_, err := io.WriteString(s.out, b.String())
	return err
}

// runQdiscHelp prints one scheduler's options, or a link's by the same name.
func runQdiscHelp(s *streams, name string) error {
	l, ok := s.helpOf(name)
	if !ok {
		return usageErrorf("--qdisc-help: %w", s.ports.CheckQdisc(name))
	}
	var b strings.Builder
	l.words(&b)
	if l.Usage != "" {
		b.WriteString("\n" + l.Usage + "\n")
	}
	_, err := io.WriteString(s.out, b.String())
	return err
}

func (s *streams) helpOf(name string) (l listedKind, ok bool) {
	if k, ok := s.ports.Qdiscs.Find(name); ok {
		return listedQdisc(s.ports, k), true
	}
	if name == "netem" { // the words are its
		name = "impairments"
	}
	for _, k := range append(s.ports.LinkKinds(), link.Impairments()...) {
		if k.Name == name {
			return listedLink(k), true
		}
	}
	return l, false
}
