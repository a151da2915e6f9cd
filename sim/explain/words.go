package explain

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/uqtool/uq/sim/report"
)

// Words says how much WriteWords prints.
type Words struct {
	Flows, Spans int
	// Width is how long the lines of paragraphs are at most; 0 leaves them whole.
	Width int
}

// part is one of the parts of a Split.
type part struct {
	name, words string
	ns          int64
}

func (s *Split) parts() []part {
	return []part{
		{"behind its own flow", "the link sent packets of its own flow", s.BehindFlow},
		{"behind other flows", "the link sent packets of other flows", s.BehindOthers},
		{"link withheld", "the link was busy without a packet", s.LinkWithheld},
		{"scheduler waited", "the scheduler held it back from a free link", s.SchedulerWaited},
		{"link held", "the link held it before it sent it, or sent it in vain", s.LinkHeld},
		{"transmission", "the link sent the packet itself", s.Transmission},
		{"beyond", "it was on its way to the far end", s.Beyond},
	}
}

// WriteWords writes x for people.
func (x *Explanation) WriteWords(w io.Writer, opt Words) error {
	b := &strings.Builder{}
	paragraph(b, x.Summary, opt.Width)
	if x.Split.Total > 0 {
		b.WriteString("\ntime from arrival to end, in ms\n")
		rows := [][]string{}
		for _, p := range x.Split.parts() {
			rows = append(rows, []string{"  " + p.name, millis(p.ns)})
		}
		report.Table(b, append(rows, []string{"  total", millis(x.Split.Total)}))
	}
	if x.Uplink {
		_, err := io.WriteString(w, b.String())
		return err
	}
	x.flowTable(b, opt.Flows)
	x.spanTable(b, opt.Spans)
	x.stateTable(b)
	_, err := io.WriteString(w, b.String())
	return err
}

// paragraph breaks a text between words into lines of at most width characters.
func paragraph(b *strings.Builder, text string, width int) {
	at := 0
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case width > 0 && at+1+n > width:
			b.WriteByte('\n')
			at = 0
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	b.WriteByte('\n')
}

// millis prints nanoseconds as milliseconds, all of them.
func millis(ns int64) string {
	sign := ""
	if ns < 0 {
		sign, ns = "-", -ns
	}
	return fmt.Sprintf("%s%d.%06d", sign, ns/1e6, ns%1e6)
}

func (x *Explanation) flowTable(b *strings.Builder, limit int) {
	fmt.Fprintf(b, "\nqueued ahead of it: %d packets, %d bytes\n", x.Ahead.Packets, x.Ahead.Bytes)
	if len(x.Flows) == 0 {
		return
	}
	rows := [][]string{{"  flow", "ahead", "bytes", "sent", "dropped", "passed", "last left ms", "overtook", "on link ms"}}
	for i, f := range x.Flows {
		if i == limit {
			break
		}
		name := f.Flow
		if f.Own {
			name += " (its own)"
		}
		rows = append(rows, []string{
			"  " + name, fmt.Sprint(f.Ahead.Packets), fmt.Sprint(f.Ahead.Bytes), fmt.Sprint(f.Sent.Packets), fmt.Sprint(f.Dropped.Packets),
			fmt.Sprint(f.Passed.Packets), millis(f.LastLeft), fmt.Sprint(f.Overtook.Packets), millis(f.OnLink),
		})
	}
	report.Table(b, rows)
	if more := len(x.Flows) - limit + x.FlowsOmitted; more > 0 {
		fmt.Fprintf(b, "  and %d more flows\n", more)
	}
}

func (x *Explanation) spanTable(b *strings.Builder, limit int) {
	if len(x.Spans) == 0 || limit == 0 {
		return
	}
	b.WriteString("\nthe link meanwhile\n")
	for i, s := range x.Spans {
		// The last ones are the nearest to the decision.
		if more := len(x.Spans) - limit; i < more {
			if i == 0 {
				fmt.Fprintf(b, "  %d opportunities before\n", more)
			}
			continue
		}
		fmt.Fprintf(b, "  %v to %v  %s\n", s.From, s.Until, s.packets())
	}
	if x.SpansOmitted > 0 {
		fmt.Fprintf(b, "  and %d more opportunities\n", x.SpansOmitted)
	}
}

// packets words what an opportunity took, the packets of a flow together.
func (s *Span) packets() string {
	if len(s.Packets) == 0 {
		return "without a packet"
	}
	var words []string
	for i := 0; i < len(s.Packets); {
		j, bytes := i, 0
		for ; j < len(s.Packets) && s.Packets[j].key == s.Packets[i].key; j++ {
			bytes += int(s.Packets[j].Len)
		}
		id := fmt.Sprint(s.Packets[i].Packet)
		if j-i > 1 {
			id = fmt.Sprintf("%d..%d", s.Packets[i].Packet, s.Packets[j-1].Packet)
		}
		words = append(words, fmt.Sprintf("%s (%s, %d bytes)", id, s.Packets[i].Flow, bytes))
		i = j
	}
	return strings.Join(words, ", ")
}

// stateTable prints the scheduler's state, a column for each instant.
func (x *Explanation) stateTable(b *strings.Builder) {
	b.WriteString("\nthe scheduler\n")
	for i := range x.State.Arrival {
		l := &x.State.Arrival[i]
		rows := [][]string{{"  " + l.Name, "at arrival", "before decision", "after"}}
		for _, key := range x.State.keys(i) {
			rows = append(rows, []string{
				"    " + strings.TrimSuffix(key, "_ns"), cell(x.State.Arrival, i, key), cell(x.State.Before, i, key), cell(x.State.After, i, key),
			})
		}
		report.Table(b, rows)
	}
}

// keys are those of a layer at any instant.
func (s *State) keys(layer int) (keys []string) {
	seen := map[string]bool{}
	for _, ls := range [][]Layer{s.Arrival, s.Before, s.After} {
		if layer >= len(ls) {
			continue
		}
		for _, f := range ls[layer].fields {
			if !seen[f.key] {
				seen[f.key] = true
				keys = append(keys, f.key)
			}
		}
	}
	return keys
}

func cell(ls []Layer, layer int, key string) string {
	if layer >= len(ls) {
		return "-"
	}
	f, ok := ls[layer].field(key)
	if !ok {
		return "-"
	}
	return f.text
}
