package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// tinsOf are the counters of a scheduler with tins, else nil.
func tinsOf(s sched.Scheduler) [][]tc.Field {
	if t, ok := s.(sched.Tinned); ok {
		return t.Tins()
	}
	return nil
}

func tinValues(tins [][]tc.Field) (vs []map[string]any) {
	for _, t := range tins {
		vs = append(vs, values(t))
	}
	return vs
}

// classesOf lists the schedulers inside s, and those inside them.
func classesOf(s sched.Scheduler) (cs []Class) {
	c, ok := s.(sched.Classful)
	if !ok {
		return nil
	}
	for _, in := range c.Inside() {
		class := Class{ID: in.ID, Line: sched.Line(in.Scheduler), Stats: values(in.Stats), statsLine: statsLine(slices.DeleteFunc(slices.Clone(in.Stats), ofEvery))}
		class.Qlen, class.Backlog = in.Scheduler.Backlog()
		if d, ok := in.Scheduler.(sched.Describer); ok {
			class.Kind, class.Options = d.Kind(), values(d.Options())
			for k, v := range values(d.Stats()) {
				class.Stats[k] = v
			}
			class.statsLine = strings.TrimSpace(class.statsLine + " " + statsLine(d.Stats()))
		}
		class.tins = tinsOf(in.Scheduler)
		class.Tins, class.Classes = tinValues(class.tins), classesOf(in.Scheduler)
		cs = append(cs, class)
	}
	return cs
}

// ofEvery says that a class's counter is one that tc has for every qdisc.
func ofEvery(f tc.Field) bool { return f.Key == "bytes" || f.Key == "packets" || f.Key == "drops" }

// TinNames are tc's names of cake's tins, by what its option diffserv says; nil where
// they are numbered.
func TinNames(diffserv any) []string {
	switch diffserv {
	case "diffserv3":
		return []string{"Bulk", "Best Effort", "Voice"}
	case "diffserv4":
		return []string{"Bulk", "Best Effort", "Video", "Voice"}
	}
	return nil
}

// tinTable prints tins as tc does: a column each, a line per counter.
func tinTable(b *strings.Builder, tins [][]tc.Field, options map[string]any) {
	if len(tins) == 0 {
		return
	}
	rows := [][]string{append([]string{"tin"}, TinNames(options["diffserv"])...)}
	for i := len(rows[0]) - 1; i < len(tins); i++ {
		rows[0] = append(rows[0], fmt.Sprint(i))
	}
	for row, f := range tins[0] {
		cells := []string{f.Key}
		for _, tin := range tins {
			cells = append(cells, tin[row].String())
		}
		if slices.ContainsFunc(cells[1:], func(c string) bool { return c != "0" && c != "0us" && c != "0b" && c != "0bit" }) {
			rows = append(rows, cells)
		}
	}
	Table(b, rows)
}

// classes prints the qdiscs inside, a line each and one for its counters.
func classes(b *strings.Builder, cs []Class, indent string) {
	for _, c := range cs {
		fmt.Fprintf(b, "%sclass %s qdisc %s\n", indent, c.ID, c.Line)
		if _, ok := c.Stats["packets"]; ok {
			over := cmp.Or(c.Stats[overlimits], any(int64(0)))
			fmt.Fprintf(b, "%s Sent %v bytes %v pkt (dropped %v, overlimits %v requeues 0)\n", indent, c.Stats["bytes"], c.Stats["packets"], c.Stats["drops"], over)
			fmt.Fprintf(b, "%s backlog %db %dp\n", indent, c.Backlog, c.Qlen)
		}
		if c.statsLine != "" {
			fmt.Fprintf(b, "%s %s\n", indent, c.statsLine)
		}
		var table strings.Builder
		tinTable(&table, c.tins, c.Options)
		for line := range strings.Lines(table.String()) {
			b.WriteString(indent + line)
		}
		classes(b, c.Classes, indent+"  ")
	}
}
