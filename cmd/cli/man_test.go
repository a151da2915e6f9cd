package cli

import "testing"

// TestRoff: nothing of a text is a command to troff.
func TestRoff(t *testing.T) {
	for in, want := range map[string]string{
		"plain":         "plain",
		".TH evil":      `\&.TH evil`,
		"a\n'quoted":    "a\n" + `\&'quoted`,
		`C:\x --flag`:   `C:\ex \-\-flag`,
		"5ms, not .5ms": "5ms, not .5ms",
	} {
		if got := roff(in); got != want {
			t.Errorf("roff(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestManDate(t *testing.T) {
	for _, c := range []struct {
		epoch, revision, want string
		bad                   bool
	}{
		{"0", "2026-11-22T20:00:00Z", "1970-01-01", false},
		{"", "2026-11-22T20:00:00Z", "2026-11-22", false},
		{"", "", "", false},
		{"today", "", "", true},
	} {
		got, err := manDate(c.epoch, c.revision)
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("manDate(%q, %q) = %q, %v", c.epoch, c.revision, got, err)
		}
	}
}
