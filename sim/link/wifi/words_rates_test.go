package wifi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
)

// files are what the tests' cells read.
var files = map[string]string{
	"walk.csv":  "time,rate\n# away and back\n1s,mcs7\n2.5s,mcs0 sgi\n4s, ht40 mcs15\n",
	"empty.csv": "time,rate\n",
	"back.csv":  "2s,mcs1\n2s,mcs2\n",
	"other.csv": "0s,mcs1\n1s,6mbit\n",
	"word.csv":  "0s,mcs1\n1s,mcd\n",
	"one.csv":   "0s\n",
	"when.csv":  "soon,mcs1\n",
}

func readFile(name string) ([]byte, error) {
	if s, ok := files[name]; ok {
		return []byte(s), nil
	}
	return nil, fmt.Errorf("open %s: no such file", name)
}

// TestRateWords checks what a file of rates and the words of errors make of a
// station.
func TestRateWords(t *testing.T) {
	const sum = "efc6a806781943f3"
	l := made(t, "wifi ht40 sta 10.0.0.2 ht20 mcs15 rates walk.csv sta 10.0.0.3 mcs7 minstrel snr 20 sta 10.0.0.4 mcs3 errors 0% 1% 50%")
	want := "wifi ht40 5ghz sta 10.0.0.2 ht20 mcs15 rates walk.csv sha256 " + sum + " sta 10.0.0.3 mcs7 minstrel snr 20 sta 10.0.0.4 mcs3 errors 0% 1% 50%"
	if got := link.Line(l); got != want {
		t.Errorf("prints as\n%s, want\n%s", got, want)
	}
	if again := link.Line(made(t, want)); again != want {
		t.Errorf("%s prints as\n%s", want, again)
	}
	var got []string
	c := l.(*Cell).conf
	for _, p := range c.Stations[0].Rates {
		got = append(got, fmt.Sprint(time.Duration(p.At), " ", p.Mode.String()))
	}
	if s := strings.Join(got, ", "); s != "1s ht20 mcs7, 2.5s ht20 mcs0 sgi, 4s ht40 mcs15" {
		t.Errorf("rates %s", s)
	}
	if s := &c.Stations[1]; !s.Minstrel || len(s.Errors) != 32 || s.Errors[0] != 0 || s.Errors[7] == 0 {
		t.Errorf("station %+v", s)
	}
	if s := &c.Stations[2]; len(s.Errors) != 3 || s.Errors[2] != 1<<31 {
		t.Errorf("station %+v", s)
	}
	if n, most := l.(*Cell).Peak(), uint64(270e6); n != most {
		t.Errorf("at best %d bit/s, want %d: mcs15 at 40 MHz", n, most)
	}
}

// TestPin checks that the words of a cell with files are pinned to them, once.
func TestPin(t *testing.T) {
	const spec = "wifi ht40 sta 10.0.0.2 mcs7 rates walk.csv weight 3 sta 10.0.0.3 mcs7 rates walk.csv delay 1ms"
	const want = "wifi ht40 sta 10.0.0.2 mcs7 rates walk.csv sha256 efc6a806781943f3 weight 3 sta 10.0.0.3 mcs7 rates walk.csv sha256 efc6a806781943f3 delay 1ms"
	for _, s := range []string{spec, want} {
		if got := link.Pin(s, made(t, s)); got != want {
			t.Errorf("%s is pinned as\n%s, want\n%s", s, got, want)
		}
	}
}

// TestRateErrors checks that errors of files name them and the line.
func TestRateErrors(t *testing.T) {
	for words, want := range map[string]string{
		"mcs7 rates":                            "want the name of a file",
		"mcs7 rates gone.csv":                   "rates needs its file: open gone.csv: no such file",
		"mcs7 rates walk.csv sha256 0123":       "want at least the first 8 digits",
		"mcs7 rates walk.csv sha256 0123456789": "rates walk.csv is another file than the link was described with",
		"mcs7 rates empty.csv":                  `rates empty.csv: no rates: write lines such as "5s,mcs3"`,
		"mcs7 rates back.csv":                   "rates back.csv: line 2: time 2s is not after that of the line before",
		"mcs7 rates other.csv":                  "line 2: ofdm 6mbit is of another physical layer than the station, ht20 mcs7",
		"mcs7 rates word.csv":                   `line 2: rate: What is "mcd"? Did you mean "mcs"?`,
		"mcs7 rates one.csv":                    `line 1: "0s": want TIME,RATE`,
		"mcs7 rates when.csv":                   "line 1: ",
		"mcs7 minstrel rates walk.csv":          "minstrel and rates both choose the rate",
		"mcs7 error 1% snr 20":                  "error, errors and snr say the same in different ways",
		"mcs7 errors":                           "want percentages, for example",
		"mcs7 errors 1% 101%":                   "want a percentage",
		"mcs7 snr 61":                           "want 0 to 60",
	} {
		_, err := fromWords("wifi sta 10.0.0.2 "+words, link.Env{ReadFile: readFile})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %q", words, err, want)
		}
	}
}

// TestHolds checks the bound on what a cell may hold: it decides how large a live
// queue is.
func TestHolds(t *testing.T) {
	for line, want := range map[string]uint64{
		"wifi sta 10.0.0.2 mcs7":                                 128 + 4*66 + 4*3 + 1000,
		"wifi driver_queue 5 uplink_queue 7 sta 10.0.0.2 mcs7":   5 + 4*66 + 4*3 + 7,
		"wifi g sta 10.0.0.2 54mbit sta 10.0.0.3 6mbit":          128 + 4*3 + 4*3 + 4*3 + 2000,
		"wifi ampdu_frames 8 sta 10.0.0.2 mcs7 delay 1s":         128 + 4*66 + 4*3 + 1000 + 126953,
		"wifi ampdu_frames 8 sta 10.0.0.2 mcs7 delay 1s limit 9": 128 + 4*66 + 4*3 + 1000 + 9,
		"wifi beacon 102.4ms sta 10.0.0.2 mcs7 sleep 1":          128 + 4*66 + 4*3 + 1000 + 4*64 + 128,
	} {
		if got := made(t, line).(link.Holder).Holds(64); got != want {
			t.Errorf("%s holds %d packets, want %d", line, got, want)
		}
	}
}
