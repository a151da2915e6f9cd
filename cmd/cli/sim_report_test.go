package cli

import (
	"bytes"
	"testing"

	"github.com/uqtool/uq/sim/report/plot"
)

// TestTerminal: what is not a terminal has no colours, and the environment
// chooses the characters.
func TestTerminal(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want plot.Options
	}{
		{nil, plot.Options{Width: 80}},
		{map[string]string{"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}, plot.Options{Width: 80}},
		{map[string]string{"TERM": "dumb", "LANG": "en_US.UTF-8"}, plot.Options{Width: 80, ASCII: true}},
		{map[string]string{"LANG": "C.utf8"}, plot.Options{Width: 80}},
		{map[string]string{"LC_ALL": "C", "LANG": "en_US.UTF-8"}, plot.Options{Width: 80, ASCII: true}},
		{map[string]string{"LC_CTYPE": "de_DE.ISO-8859-1"}, plot.Options{Width: 80, ASCII: true}},
	} {
		if got := terminal(&bytes.Buffer{}, func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%v: got %+v, want %+v", c.env, got, c.want)
		}
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"pfifo": "pfifo", "rate 20mbit": "'rate 20mbit'", "": "''", "it's": `'it'\''s'`, "a;b": "'a;b'", "$x": "'$x'", "t-1.zst": "t-1.zst",
	} {
		if got := shellQuote(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
