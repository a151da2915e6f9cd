package wifi

import (
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/link"
)

const house = `# a house
standard = "vht80"
edca = ["be txop 2528us", "vo dcf"]
hw_queue = 3
behind = "delay 5ms loss 1%"

[[sta]]
address = ["10.0.0.2", "fd00::/64"]
rate = "mcs9 nss2 sgi"
weight = 512

[[sta]]
address = "any"
standard = "ht20"
mcs = 7
gi = 400
errors = ["0%", "1%", "50%"]
minstrel = true
`

// TestCellFile checks that a file is the same as its words, which are all that a
// report or a header has.
func TestCellFile(t *testing.T) {
	files["house.toml"] = house
	const want = "wifi vht80 5ghz edca be aifsn 3 cwmin 15 cwmax 1023 txop 2.528ms edca vo dcf hw_queue 3 " +
		"sta 10.0.0.2,fd00::/64 mcs9 nss2 sgi weight 512 sta any ht20 mcs7 sgi minstrel errors 0% 1% 50% delay 5ms loss 1%"
	for _, line := range []string{"wifi file house.toml", "wifi file house.toml sha256 074bbdc4"} {
		l := made(t, line)
		if got := link.Line(l); got != want {
			t.Errorf("%s prints as\n%s, want\n%s", line, got, want)
		}
		pinned := link.Pin(line, l)
		if strings.Contains(pinned, "file") || link.Line(made(t, pinned)) != want {
			t.Errorf("%s is pinned as\n%s", line, pinned)
		}
	}
	files["plain.toml"] = "[[sta]]\naddress = 'any'\nrate = '54mbit'\n"
	if got, want := link.Line(made(t, "wifi file plain.toml delay 1ms")), "wifi ht20 5ghz sta any 54mbit delay 1ms"; got != want {
		t.Errorf("with a delay it prints as\n%s, want\n%s", got, want)
	}
}

// TestCellFileErrors checks that errors name the file, the line and what may have
// been meant.
func TestCellFileErrors(t *testing.T) {
	const sta = "[[sta]]\naddress = 'any'\nmcs = 7\n"
	for text, want := range map[string]string{
		"standard = 'ht20'\n":                        `no stations: add for example`,
		"standrad = 'ht20'\n" + sta:                  `file x.toml: line 1: standrad: What is it? Did you mean "standard"?`,
		sta + "\n\nwieght = 3\n":                     `file x.toml: line 6: sta 1: wieght: What is it? Did you mean "weight"?`,
		sta + "[[sta]]\nmcs = 1\n":                   "line 4: sta 2: address: want the station's address",
		sta + "beacon = '102.4ms'\n":                 "line 4: sta 1: beacon: it is the cell's: write it before the first [[sta]]",
		"weight = 3\n" + sta:                         "line 1: weight: it is a station's: write it below its [[sta]]",
		sta + "weight = 3.5\n":                       "line 4: sta 1: weight: want text, a whole number, true, false or a list of such",
		sta + "weight = ''\n":                        "line 4: sta 1: weight: want something in it",
		sta + "errors = [['1%', '2%']]\n":            "errors: want texts or whole numbers in the list",
		sta + "rate = 'sgi sta 10.0.0.9 mcs0'\n":     `line 4: sta 1: rate: "sta" is another's: write a table [[sta]] of its own`,
		sta + "sends = 'be 1500 delay 5ms'\n":        `line 4: sta 1: sends: "delay" happens behind the medium: write behind = "delay ..." before the first [[sta]]`,
		"sta = 3\n":                                  "line 1: sta: want a table [[sta]] for each station",
		"standard = \n":                              "file x.toml: line 1: ",
		sta + sta:                                    "sta any: an address of it is another station's",
		"behind = 'front loss 1%'\n" + sta:           `"front" belongs to wires`,
		"[[sta]]\naddress = '10.0.0.2'\nmcs = 77\n":  `sta 10.0.0.2: illegal "mcs": want 0 to 31`,
		strings.Repeat("# x\n", 9) + "hw_quue = 1\n": "line 10: hw_quue",
		"[[sta]]\naddress = [" + strings.Repeat("'10.0.0.2', ", 3000) + "]\nmcs = 1\n": "bytes as words: want at most 16384",
	} {
		files["x.toml"] = text
		l, err := fromWords("wifi file x.toml", link.Env{ReadFile: readFile})
		if err == nil {
			t.Errorf("%.200s was accepted as %.200s", text, link.Line(l))
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%.200s: %.200v\nwant %q", text, err, want)
		}
	}
	for line, want := range map[string]string{
		"wifi file":                         `file needs a name: write "wifi file cell.toml"`,
		"wifi file gone.toml":               "file needs its file: open gone.toml: no such file",
		"wifi file x.toml mcs7":             `"mcs7" after the file: only impairments stand there: write the rest into x.toml`,
		"wifi file x.toml sha256 xyz":       "want at least the first 8 digits",
		"wifi file x.toml sha256 012345678": "file x.toml is another file",
	} {
		if _, err := fromWords(line, link.Env{ReadFile: readFile}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %q", line, err, want)
		}
	}
}

// FuzzCellFile checks that a file that is accepted says something that can be
// written as words, and that those mean the same.
func FuzzCellFile(f *testing.F) {
	for _, s := range []string{house, "", "[[sta]]\naddress='any'\nrate='6mbit'", "sta=[{address='::1',mcs=1}]", "longslot=true\nstandard='g'\n[[sta]]\naddress=['1.2.3.4']\nrate='1mbit'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		env := link.Env{Seed: 1, ReadFile: func(name string) ([]byte, error) {
			if name == "f.toml" {
				return []byte(text), nil
			}
			return readFile(name)
		}}
		l, err := fromWords("wifi file f.toml", env)
		if err != nil {
			return
		}
		again, err := fromWords(link.Pin("wifi file f.toml", l), env)
		if err != nil || link.Line(again) != link.Line(l) {
			t.Fatalf("%q is %q; as words: %v", text, link.Line(l), err)
		}
	})
}
