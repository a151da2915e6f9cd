package builtin

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// defaultShown is an option's line of help that ends with a value: "(15ms)".
var defaultShown = regexp.MustCompile(`^ *(\S+) .*\(([0-9.]+[A-Za-z%]*)\)$`)

// TestHelpDefaults holds the defaults that help tells to those that are printed.
func TestHelpDefaults(t *testing.T) {
	needs := map[string]string{"red": "red limit 400000 avpkt 1000", "tbf": "tbf rate 1mbit burst 10k limit 30k"}
	kept := map[string]string{"dualpi2 alpha 0.16": "0.156250", "dualpi2 beta 3.2": "3.195312"} // in parts of 256
	compared := 0
	for _, k := range Kinds() {
		line := k.Name
		if needs[line] != "" {
			line = needs[line]
		}
		s, err := New(line, sched.Env{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = New(k.Name+" help", sched.Env{})
		var help *tc.Help
		if !errors.As(err, &help) {
			t.Fatalf("%s help: %v", k.Name, err)
		}
		fields := map[string]tc.Field{}
		for _, f := range s.(sched.Describer).Options() {
			fields[f.Key] = f
		}
		for l := range strings.Lines(help.Options) {
			m := defaultShown.FindStringSubmatch(strings.TrimRight(l, "\n"))
			if m == nil {
				continue
			}
			f, ok := fields[m[1]]
			if !ok || f.Hidden {
				continue
			}
			want := strings.TrimSuffix(strings.ToLower(f.String()), "p")
			if got := strings.ToLower(m[2]); got != want && kept[k.Name+" "+m[1]+" "+got] != want {
				t.Errorf("%s: help says %s is %s, it is %s", k.Name, m[1], got, want)
			}
			compared++
		}
	}
	if compared < 50 {
		t.Errorf("only %d defaults compared", compared)
	}
}
