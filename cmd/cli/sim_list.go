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
		fmt.Fprintf(b, "    %-30s %s\n", "[ QDISC ]", "the qdisc inside, in brackets")
	case l.Inside > 1:
		fmt.Fprintf(b, "    %-30s up to %d qdiscs inside, each in brackets\n", "[ QDISC ] ...", l.Inside)
	}
}

// runSimList prints every scheduler and link with its options.
func runSimList(s *streams, asJSON bool) error {
	list := kindList{Format: report.Format}
	for _, k := range s.ports.Qdiscs {
		list.Qdiscs = append(list.Qdiscs, listedQdisc(s.ports, k))
	}
	for _, k := range append(s.ports.LinkKinds(), link.Impairments()...) {
		l := listedKind{Name: k.Name, Summary: k.Summary, Usage: k.Usage}
		for line := range strings.Lines(k.Options) {
			l.Options = append(l.Options, strings.TrimSpace(line))
		}
		list.Links = append(list.Links, l)
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

// runQdiscHelp prints one scheduler's options.
func runQdiscHelp(s *streams, name string) error {
	k, ok := s.ports.Qdiscs.Find(name)
	if !ok {
		return usageErrorf("--qdisc-help: %w", s.ports.CheckQdisc(name))
	}
	l := listedQdisc(s.ports, k)
	var b strings.Builder
	l.words(&b)
	if l.Usage != "" {
		b.WriteString("\n" + l.Usage + "\n")
	}
	_, err := io.WriteString(s.out, b.String())
	return err
}
