package builtin

import (
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/link"
)

// TestKinds checks that every link in the list can be made, says what it is, and
// that its words are found where they are mistyped.
func TestKinds(t *testing.T) {
	for _, k := range Kinds() {
		if k.Summary == "" || !strings.HasPrefix(k.Usage, "Usage: ... "+k.Name) || k.Options == "" || k.New == nil {
			t.Errorf("%+v", k)
		}
	}
	for line, want := range map[string]string{
		"wfi ht20":                             `link: What is "wfi"? Did you mean "wifi"?`,
		"wifi help":                            "Usage: ... wifi",
		"wifi ht20 mcs5":                       `wifi: What is "mcs"?`,
		"delay 1ms":                            "has no rate",
		"":                                     "has no rate",
		"wifi ht20 5ghz 2.4ghz sta 10.0.0.1 b": "no rate",
	} {
		if _, err := New(line, link.Env{Seed: 1}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\nwant %q", line, err, want)
		}
	}
}
