package doctor

import (
	"fmt"
	"io"
	"strings"
)

// heading stands above the checks of a group.
type heading struct {
	group Group
	text  string
}

// headings are the groups in the report's order.
func headings() []heading {
	return []heading{
		{Lab, "Private lab (uq record --lab, uq replay --live): all of it is needed"},
		{Queue, "What the queue can do"},
		{Host, "Outside the lab"},
		{Machine, "The machine"},
	}
}

// Words writes the report for a person: a line a check, and a line for what to
// do where something is not as it should be.
func (r *Report) Words(w io.Writer) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "uq doctor: %s\n", r.System)
	wide := 0
	for _, c := range r.Checks {
		wide = max(wide, len(c.Name))
	}
	for _, h := range headings() {
		first := true
		for _, c := range r.Checks {
			if c.Group != h.group {
				continue
			}
			if first {
				fmt.Fprintf(b, "\n%s\n", h.text)
				first = false
			}
			fmt.Fprintf(b, "  %-7s  %-*s  %s\n", c.State, wide, c.Name, c.Finding)
			if c.Fix != "" {
				fmt.Fprintf(b, "  %7s  %-*s  -> %s\n", "", wide, "", c.Fix)
			}
		}
	}
	r.conclude(b)
	_, err := io.WriteString(w, b.String())
	return err
}

// String is the machine on one line.
func (s System) String() string {
	name := map[string]string{"linux": "Linux", "darwin": "macOS", "windows": "Windows"}[s.OS]
	if name == "" {
		name = s.OS
	}
	if s.Kernel != "" {
		name += " " + s.Kernel
	}
	cpus := "1 CPU"
	if s.CPUs != 1 {
		cpus = fmt.Sprintf("%d CPUs", s.CPUs)
	}
	who := ""
	if s.UID >= 0 { // Windows has none
		who = fmt.Sprintf(", uid %d", s.UID)
	}
	return fmt.Sprintf("%s, %s, %s%s", name, s.Arch, cpus, who)
}

// conclude writes what it comes to.
func (r *Report) conclude(b *strings.Builder) {
	b.WriteByte('\n')
	yes := func(can bool, what string) {
		word := "no "
		if can {
			word = "yes"
		}
		fmt.Fprintf(b, "%s  %s\n", word, what)
	}
	yes(r.Can.Simulate, "simulate, verify, work on traces")
	yes(r.Can.Lab, "record and replay live in a private lab")
	yes(r.Can.Host, "record on this host, as this user")
	if r.Quick {
		b.WriteString("Nothing was measured: leave --quick out to do so.\n")
	}
}
