package traces_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/uqtool/uq/traces"
)

const textHead = "uq-trace-text 1\n\n# a comment\nheader {}\n"

func TestTextErrorsNameTheLine(t *testing.T) {
	good := "p time=1.5 flow=udp,10.0.0.1:1>10.0.0.2:2"
	for text, want := range map[string]string{
		"":                                      "line 1: trace is truncated",
		"nonsense\n":                            "line 1: not a uq trace text",
		"uq-trace-text 2\n":                     "line 1: not a uq trace text",
		"uq-trace-text 1\nend {}\n":             "line 2: the second line must be the header",
		"uq-trace-text 1\nheader {\n":           "line 2: header: ",
		textHead + "q\n":                        `line 5: line begins with "q"`,
		textHead + "p\n":                        "line 5: a packet needs time= and flow=",
		textHead + "p flow=1\n":                 `line 5: "flow=1": want time= here`,
		textHead + "p time=1\n":                 "line 5: a packet needs time= and flow=",
		textHead + "p time=1 len=3\n":           `line 5: "len=3": want flow= here`,
		textHead + good + " len=3 segs=1\n":     `line 5: "segs=1": the field is unknown, doubled or out of order`,
		textHead + good + " len=3 len=3\n":      `line 5: "len=3": the field is unknown, doubled or out of order`,
		textHead + good + " shoe=43\n":          `line 5: "shoe=43": the field is unknown`,
		textHead + good + " ktime_ns=3\n":       `line 5: "ktime_ns=3": the field is unknown`,
		textHead + good + " len\n":              `line 5: "len": want NAME=VALUE`,
		textHead + good + " len=x\n":            `line 5: "len=x": want a number below 2^32`,
		textHead + good + " segs=65536\n":       `line 5: "segs=65536": want a number below 2^16`,
		textHead + good + " segs=0\n":           "line 5: segs is 0",
		textHead + good + " ds=7\n":             `line 5: "ds=7": want 0x and a hexadecimal number of 8 bits`,
		textHead + good + " info=what\n":        `line 5: "info=what": want remarks`,
		textHead + good + " path=1,2\n":         `line 5: "path=1,2": want HOOK,IN,OUT`,
		textHead + good + " verdict=maybe\n":    `line 5: "verdict=maybe": want none, accept`,
		textHead + good + " verdict=verdict1\n": `line 5: "verdict=verdict1": want none, accept`,
		textHead + good + " reason=why\n":       `line 5: "reason=why": want none or one of`,
		textHead + good + " vtime=1.x\n":        `line 5: "vtime=1.x": want seconds`,
		textHead + good + " vtime=9999999999\n": `line 5: "vtime=9999999999": want seconds`,
		textHead + good + "\np time=1.4 flow=udp,10.0.0.1:1>10.0.0.2:2\n": "line 6: time 1.400000000 is before the previous packet's 1.500000000",
		textHead + "event kind=note\n":                                    "line 5: event: want time= here",
		textHead + "event time=1 kind=party\n":                            `line 5: event: "kind=party": want id_gap`,
		textHead + "event time=1 kind=note text=x\n":                      "line 5: event: invalid syntax",
		textHead + "event time=1 kind=note text=\"a\" count=1\n":          "line 5: event: invalid syntax",
		textHead + "event time=1 kind=note shoe=43\n":                     `line 5: event: "shoe=43" is unknown or out of order`,
		textHead + good + "\nend {\"records\":2}\n":                       "line 6: end counts 2 records",
		textHead + "end {}\n" + good + "\n":                               "follows the end line",
		textHead + good + "\n":                                            "line 6: trace is truncated",
		textHead + strings.Repeat("x", 2<<20):                             "line 5: bufio.Scanner: token too long",
		textHead + good + " hdr=1 \t\nend {}\n\n# and a comment\n":        "",
	} {
		err := readText(text)
		switch {
		case want == "" && err != nil:
			t.Errorf("%.80q: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%.80q: got %v, want %q", text, err, want)
		}
	}
}

func readText(text string) error {
	r, err := traces.NewTextReader(strings.NewReader(text))
	if err == nil {
		_, err = readItems(r)
	}
	return err
}

// A text without an end becomes a trace without an end.
func TestTruncatedText(t *testing.T) {
	var out bytes.Buffer
	err := traces.Copy(toTrace(t, &out), fromText(t, strings.NewReader(textHead+"p time=1 flow=udp,10.0.0.1:1>10.0.0.2:2\n")), nil)
	var d *traces.Damage
	if !errors.As(err, &d) || d.Recovered != 1 {
		t.Fatal(err)
	}
	items, err := readTrace(out.Bytes())
	if len(items) != 1 || !errors.Is(err, traces.ErrTruncated) {
		t.Error(len(items), err)
	}
}

// What was read before a failure is no line.
func TestTextReadFailure(t *testing.T) {
	const text = "uq-trace-text 1\nheader {}\np time=0.1 flow=udp,10.0.0.1:1>10.0.0.2:2 hdr=28 len=80\nend {}\n"
	gone := errors.New("the disk is gone")
	for n := range len(text) {
		r, err := traces.NewTextReader(io.MultiReader(strings.NewReader(text[:n]), iotest.ErrReader(gone)))
		var rec traces.Record
		for err == nil {
			err = r.Next(&rec)
		}
		if !errors.Is(err, gone) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}
