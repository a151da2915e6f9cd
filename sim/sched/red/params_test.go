package red

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/sched"
)

// TestParametersAsTc compares what is derived from the words with what tc
// derives: thresholds, weight, probability and the table of the idle time.
func TestParametersAsTc(t *testing.T) {
	text, err := os.ReadFile("testdata/tc.txt")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		part := strings.Split(strings.TrimSpace(line), " | ")
		q := &Qdisc{Config: Config{Probability: DefaultProbability, Bandwidth: 10e6}}
		if err := q.options().Parse("red", strings.Fields(part[0])); err != nil {
			t.Errorf("%s: %v", part[0], err)
			continue
		}
		q.Fill()
		w, err := EWMA(q.Min, q.Burst, q.AvPkt)
		if err != nil {
			t.Errorf("%s: %v", part[0], err)
			continue
		}
		p := Params{WLog: w} // not through Params, which refuses what the kernel does
		idleTable(&p, q.AvPkt, q.Bandwidth/8)
		if got := fmt.Sprint(q.Min, q.Max, p.WLog, p.ScellLog, q.Probability); got != part[1] {
			t.Errorf("%s: %s, tc has %s", part[0], got, part[1])
		}
		if got := runs(p.Stab[:]); got != part[2] {
			t.Errorf("%s:\n%s, tc has\n%s", part[0], got, part[2])
		}
		compared++
	}
	if compared < 15 {
		t.Errorf("only %d lines compared", compared)
	}
}

func newForTest(words string) (*Qdisc, error) {
	k := sched.Kinds{{Name: "red", Children: 1, New: New}, {Name: "bfifo", New: newBytes}}
	s, err := k.New("red "+words, sched.Env{Seed: 1})
	if err != nil {
		return nil, err
	}
	return s.(*Qdisc), nil
}

// runs prints b as COUNTxVALUE.
func runs(b []uint8) string {
	var out []string
	for i := 0; i < len(b); {
		n := 1
		for i+n < len(b) && b[i+n] == b[i] {
			n++
		}
		out = append(out, fmt.Sprintf("%dx%d", n, b[i]))
		i += n
	}
	return strings.Join(out, " ")
}

// TestRefusals has what tc or the kernel refuses.
func TestRefusals(t *testing.T) {
	for words, want := range map[string]string{
		"":           "required parameter",
		"limit 100k": "required parameter",
		"avpkt 1000": "required parameter",
		"limit 2mb min 83333 max 250kb avpkt 1514 burst 5":            "try burst 56",
		"limit 2mb min 5000 max 4000 avpkt 1000 burst 50":             "raise max",
		"limit 100k avpkt 1000 nodrop":                                "only meaningful with ECN",
		"limit 100000 min 1000 max 3000 avpkt 1000 burst 2":           "does not fit in 32 bits",
		"limit 100k avpkt 1000 probability 0":                         "too small",
		"limit 100k avpkt 1000 probability 2":                         "from 0 to 1",
		"limit 100k avpkt 1000 bandwidth 7bit":                        "at least 8bit",
		"limit 100k avpkt 1000 adaptve":                               `Did you mean "adaptive"?`,
		"limit 10mb min 1mb max 3mb avpkt 1000 burst 1747 limit 10kx": "limit",
	} {
		if _, err := newForTest(words); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("red %s: %v, want %q", words, err, want)
		}
	}
}
