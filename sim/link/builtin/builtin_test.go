package builtin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/link/linktest"
)

// files are what tests' links read.
var files = map[string]string{}

func readFile(name string) ([]byte, error) {
	if s, ok := files[name]; ok {
		return []byte(s), nil
	}
	return nil, fmt.Errorf("open %s: no such file", name)
}

func env() link.Env { return link.Env{Seed: 7, ReadFile: readFile} }

// specs are links of other packages than link, whose tests have its own.
var specs = []string{
	"wifi ht20 5ghz sta 10.0.0.2 mcs15 sgi sta 10.0.0.3 mcs0",
	"wifi sta 10.0.0.2 mcs7 error 20%",
	"wifi g hw_queue 1 sta 10.0.0.2 54mbit sta 10.0.0.3 1mbit error 90%",
	"wifi ax driver_queue 1 retries 0 sta 10.0.0.2 mcs11 nss8 error 50%",
	"wifi ac rtscts 100 ampdu_time 500us sta fd00::2 mcs9 error 5%",
	"wifi beacon 102.4ms dtim 2 amsdu 3839 edca be txop 2ms sta any mcs7 sleep 2 error 3%",
	"wifi beacon 20ms sta any mcs7 sleep 3 delay 50ms limit 100",
	"wifi ht40 sta 10.0.0.2 mcs15 error 10% delay 20ms 10ms loss 1% duplicate 1% corrupt 1% slot 1ms limit 50",
}

// TestConformance runs the suite of links.
func TestConformance(t *testing.T) {
	for _, spec := range specs {
		t.Run(spec, func(t *testing.T) {
			linktest.Conformance(t, func() (link.Link, error) { return New(spec, env()) })
		})
	}
}

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
		"wifi ht20 mcs5":                       `wifi: "mcs" is a station's`,
		"delay 1ms":                            "has no rate",
		"":                                     "has no rate",
		"wifi ht20 5ghz 2.4ghz sta 10.0.0.1 b": "no rate",
	} {
		if _, err := New(line, env()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\nwant %q", line, err, want)
		}
	}
}
