package scenario

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

// example has every setting once.
const example = `# What every run has.
link = "rate 20mbit"
seed = 7
assert = ["drops >= 0"]   # of all

[flows]
voip = "udp:5201"

[[run]]
name = "one"
trace = "a.zst"
qdiscs = ["pfifo", 'fq_codel target 5ms'] # two
assert = [
  # a call
  "fq_codel.flow(voip).sojourn_p99 < 5ms",

  """fq_codel.drops
""", ]
`

// TestParse reads every setting with its line, and what a run takes over.
func TestParse(t *testing.T) {
	text := strings.Replace(example, `"""fq_codel.drops
"""`, `"fq_codel.drops < 9"`, 1) + `
[run.digests]
pfifo = "xxh64:1"
"fq_codel target 5ms" = "xxh64:2"

[[run]]
traces = ["b.zst", "corpus:mix.zst"]
links = ["rate 1mbit", "rate 2mbit"]
seeds = [1, 2]
gso = "split"
qdiscs = ["red"]
`
	f, err := Parse("x.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range f.Runs {
		r := &f.Runs[i]
		fmt.Fprintf(&b, "%s %d gso %q\n", r.Name, r.Line, r.GSO.Text)
		for _, ts := range [][]Text{r.Qdiscs, r.Assert} {
			for _, t := range ts {
				fmt.Fprintf(&b, "  %d %s\n", t.Line, t.Text)
			}
		}
		for _, k := range sorted(r.Digests) {
			fmt.Fprintf(&b, "  %d %s = %s\n", r.Digests[k].Line, k, r.Digests[k].Text)
		}
		for j := range r.Cases {
			c := &r.Cases[j]
			fmt.Fprintf(&b, "  case %s: %s %d, %s %d, seed %d: %s\n", r.CaseName(c), c.Trace.Text, c.Trace.Line, c.Link.Text, c.Link.Line, c.Seed, c.DigestKey("Q"))
		}
	}
	want := `one 9 gso ""
  12 pfifo
  12 fq_codel target 5ms
  4 drops >= 0
  15 fq_codel.flow(voip).sojourn_p99 < 5ms
  17 fq_codel.drops < 9
  21 fq_codel target 5ms = xxh64:2
  20 pfifo = xxh64:1
  case one: a.zst 11, rate 20mbit 2, seed 7: Q
run 2 23 gso "split"
  28 red
  4 drops >= 0
  case run 2 (b.zst, rate 1mbit, seed 1): b.zst 24, rate 1mbit 25, seed 1: b.zst | rate 1mbit | seed 1 | Q
  case run 2 (b.zst, rate 1mbit, seed 2): b.zst 24, rate 1mbit 25, seed 2: b.zst | rate 1mbit | seed 2 | Q
  case run 2 (b.zst, rate 2mbit, seed 1): b.zst 24, rate 2mbit 25, seed 1: b.zst | rate 2mbit | seed 1 | Q
  case run 2 (b.zst, rate 2mbit, seed 2): b.zst 24, rate 2mbit 25, seed 2: b.zst | rate 2mbit | seed 2 | Q
  case run 2 (corpus:mix.zst, rate 1mbit, seed 1): corpus:mix.zst 24, rate 1mbit 25, seed 1: corpus:mix.zst | rate 1mbit | seed 1 | Q
  case run 2 (corpus:mix.zst, rate 1mbit, seed 2): corpus:mix.zst 24, rate 1mbit 25, seed 2: corpus:mix.zst | rate 1mbit | seed 2 | Q
  case run 2 (corpus:mix.zst, rate 2mbit, seed 1): corpus:mix.zst 24, rate 2mbit 25, seed 1: corpus:mix.zst | rate 2mbit | seed 1 | Q
  case run 2 (corpus:mix.zst, rate 2mbit, seed 2): corpus:mix.zst 24, rate 2mbit 25, seed 2: corpus:mix.zst | rate 2mbit | seed 2 | Q
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

// TestErrors has every error with its line.
func TestErrors(t *testing.T) {
	const fine = "trace = \"a.zst\"\nqdiscs = [\"pfifo\"]\n"
	for _, c := range []struct{ text, want string }{
		{"", "x:1: no [[run]]: nothing to do"},
		{"\xff\xfe[[run]]\n" + fine, "x:1: begins as UTF-16 does: save it as UTF-8"},
		{"\xfe\xff[[run]]\n" + fine, "x:1: begins as UTF-16 does: save it as UTF-8"},
		{"[run]\n", "x:1: run: write [[run]], with two brackets"},
		{"\n[[run]]\n" + fine + "asert = []\n", `x:5: unknown setting "asert": did you mean "assert"?`},
		{"[[run]]\n" + fine + "[[run]]\n" + fine + "\nqdisc = \"pfifo\"\n", `x:8: unknown setting "qdisc": did you mean "qdiscs"?`},
		{"flow = 1\n[[run]]\n" + fine, `x:1: unknown setting "flow": did you mean "flows"?`},
		{"name = \"x\"\n[[run]]\n" + fine, `x:1: unknown setting "name": there are flows, run, trace, traces, qdiscs, link, links, seed, seeds, gso, assert`},
		{"[[run]]\n" + fine + "[flows.voip]\n", "x:4: voip: want a string"},
		{"[[run]]\n" + fine + "[other]\n", `x:4: unknown setting "other": there are flows, run, trace, traces, qdiscs, link, links, seed, seeds, gso, assert`},
		{"[[run]]\nqdiscs = [\"pfifo\"]\n", `x:1: no trace: name one beside this file, or an embedded one: trace = "corpus:mix.zst"`},
		{"[[run]]\ntrace = \"a\"\n", `x:1: no qdiscs: write, for example, qdiscs = ["pfifo", "fq_codel"]`},
		{"[[run]]\ntrace = [\"a\"]\nqdiscs = [\"pfifo\"]\n", "x:2: trace: want a string"},
		{"[[run]]\ntrace = \"a\"\nqdiscs = \"pfifo\"\n", "x:3: qdiscs: want a list of strings"},
		{"[[run]]\n" + fine + "links = [\n\"rate 1mbit\",\n1]\n", "x:6: links: want a list of strings"},
		{"[[run]]\n" + fine + "link = \"\"\nlinks = [\"rate 1mbit\"]\n", "x:5: link and links: write one of them"},
		{"[[run]]\n" + fine + "seed = -1\n", "x:4: seed: want a whole number, 0 or more"},
		{"[[run]]\n" + fine + "seeds = [1,\n1.5]\n", "x:5: seeds: want a whole number, 0 or more"},
		{"[[run]]\n" + fine + "seeds = [1,\n1]\n", `x:5: "1" is listed twice`},
		{"[[run]]\ntrace = \"a\"\nqdiscs = [\"pfifo\",\n\"pfifo\"]\n", `x:4: "pfifo" is listed twice`},
		{"[[run]]\n" + fine + "assert = \"drops\"\n", "x:4: assert: want a list of strings"},
		{"[[run]]\n" + fine + "assert = [\n\"drops\"]\n", `x:5: assert "drops": ends where it wants a comparison: <, <=, ==, !=, >= or >`},
		{"assert = [\"drops\"]\n[[run]]\n" + fine + "[[run]]\n" + fine, `x:1: assert "drops": ends where it wants a comparison: <, <=, ==, !=, >= or >`},
		{"[flows]\ntcp = \"udp\"\n[[run]]\n" + fine, `x:2: flow "tcp": a selector by itself: choose another name`},
		{"[[run]]\n" + fine + "digests = [\"xxh64:1\"]\n", "x:4: digests: want a table"},
		{"[[run]]\n" + fine + "digests = true\n", "x:4: digests: want a table, or false for none"},
		{"[[run]]\n" + fine + "[run.digests]\npfifo = 1\n", "x:5: pfifo: want a string"},
		{"[[run]]\nname = \"a\"\n" + fine + "[[run]]\nname = \"a\"\n" + fine, `x:5: another run has the name "a", on line 1: give each its own`},
		{"[[run]]\n" + fine + "seed = \n", "x:4: "},
		{"[[run]]\n" + fine + "trace = \"b\"\n", "x:4: "},
		{example, `x:17: assert "fq_codel.drops": ends where it wants a comparison: <, <=, ==, !=, >= or >`},
	} {
		_, err := Parse("x", []byte(c.text))
		if err == nil || err.Error() != c.want && !(strings.HasSuffix(c.want, ": ") && strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
	if _, err := Parse("x", make([]byte, maxFile+1)); err == nil || err.Error() != "x:1: 262145 bytes: a scenario has at most 262144" {
		t.Errorf("large file: %v", err)
	}
	numbers := strings.Repeat("1,", 70)
	many := "[[run]]\nqdiscs = [\"pfifo\"]\ntraces = [" + quoted("t", 70) + "]\nlinks = [" + quoted("l", 70) + "]\nseeds = [" + numbers[:2] + "2]\n"
	if _, err := Parse("x", []byte(many)); err == nil || err.Error() != "x:1: 9800 combinations of traces, links and seeds: at most 4096" {
		t.Errorf("many: %v", err)
	}
	// Several errors come in the order of the lines.
	_, err := Parse("x", []byte("a = 1\n[[run]]\nb = 2\n"))
	var lines []string
	for l := range strings.Lines(err.Error()) {
		lines = append(lines, l[:4])
	}
	if !slices.Equal(lines, []string{"x:1:", "x:2:", "x:2:", "x:3:"}) {
		t.Errorf("%v", err)
	}
}

func quoted(s string, n int) string {
	var words []string
	for i := range n {
		words = append(words, fmt.Sprintf("%q", fmt.Sprint(s, i)))
	}
	return strings.Join(words, ",")
}

// TestSetDigests checks that only digests change, and everything else stays as it
// was written.
func TestSetDigests(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		run  int
		set  []Digest
		want string
	}{
		"new table at the end": {
			"[[run]] # one\nqdiscs = [\"pfifo\"] # two", 0, []Digest{{"pfifo", "xxh64:1"}, {"red limit 1", "xxh64:2"}},
			"[[run]] # one\nqdiscs = [\"pfifo\"] # two\n\n[run.digests]\npfifo = \"xxh64:1\"\n\"red limit 1\" = \"xxh64:2\"\n",
		},
		"new table before what follows, with its comment": {
			"[[run]]\nassert = [\n  \"drops > 0\", # x\n]\n\n# The other.\n[[run]]\ntrace = \"t\"\n", 0, []Digest{{"pfifo", "xxh64:1"}},
			"[[run]]\nassert = [\n  \"drops > 0\", # x\n]\n\n[run.digests]\npfifo = \"xxh64:1\"\n\n# The other.\n[[run]]\ntrace = \"t\"\n",
		},
		"change one, keep comments": {
			"[[run]]\n[run.digests]\n# a\npfifo = \"xxh64:1\" # b\n'red' = 'xxh64:2'\n", 0, []Digest{{"pfifo", "xxh64:3"}, {"red", "xxh64:2"}},
			"[[run]]\n[run.digests]\n# a\npfifo = \"xxh64:3\" # b\n'red' = \"xxh64:2\"\n",
		},
		"another run": {
			"[[run]]\n[run.digests]\npfifo = \"xxh64:1\"\n[[run]]\n[run.digests]\npfifo = \"xxh64:1\"\n", 1, []Digest{{"pfifo", "xxh64:3"}},
			"[[run]]\n[run.digests]\npfifo = \"xxh64:1\"\n[[run]]\n[run.digests]\npfifo = \"xxh64:3\"\n",
		},
		"take away and add": {
			"[[run]]\n[run.digests]\n\"old\" = \"xxh64:1\" # gone\nred = \"xxh64:2\"\n\n# end\n", 0, []Digest{{"red", "xxh64:2"}, {"new", "xxh64:4"}},
			"[[run]]\n[run.digests]\nred = \"xxh64:2\"\nnew = \"xxh64:4\"\n\n# end\n",
		},
		"an empty table": {
			"[[run]]\n[run.digests] # none yet\n\n[flows]\n", 0, []Digest{{"a", "xxh64:1"}},
			"[[run]]\n[run.digests] # none yet\na = \"xxh64:1\"\n\n[flows]\n",
		},
		"inline": {
			"[[run]]\ndigests = { a = \"xxh64:1\", b = \"xxh64:2\" }\n", 0, []Digest{{"a", "xxh64:3"}, {"b", "xxh64:2"}},
			"[[run]]\ndigests = { a = \"xxh64:3\", b = \"xxh64:2\" }\n",
		},
		"dotted": {
			"[[run]]\ndigests.\"a b\" = \"xxh64:1\"\n", 0, []Digest{{"a b", "xxh64:3"}},
			"[[run]]\ndigests.\"a b\" = \"xxh64:3\"\n",
		},
		"lines as Windows ends them": {
			"[[run]]\r\nseed = 1\r\n", 0, []Digest{{"a", "xxh64:1"}},
			"[[run]]\r\nseed = 1\r\n\r\n[run.digests]\r\na = \"xxh64:1\"\r\n",
		},
		"nothing to do": {"[[run]]\n[run.digests]\na=\"xxh64:1\"", 0, []Digest{{"a", "xxh64:1"}}, "[[run]]\n[run.digests]\na=\"xxh64:1\""},
	} {
		got, err := SetDigests(c.in, c.run, c.set)
		if err != nil || got != c.want {
			t.Errorf("%s: %v\n got %q\nwant %q", name, err, got, c.want)
		}
	}
	for name, c := range map[string]struct{ in, want string }{
		"add inline":  {"[[run]]\ndigests = { b = \"xxh64:1\" }\n", "line 2: this digest is of what is not run: take it away"},
		"add, inline": {"[[run]]\ndigests = {}\n", "digests: write them as a table, [run.digests], so that more can be added"},
	} {
		if _, err := SetDigests(c.in, 0, []Digest{{"a", "xxh64:1"}}); fmt.Sprint(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// leaves lists the paths of all values in a decoded tree.
func leaves(path string, v any, out map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			leaves(path+pathOf(k), x, out)
		}
	case []map[string]any:
		for i, x := range v {
			leaves(path+pathOf(i), x, out)
		}
	case []any:
		for i, x := range v {
			leaves(path+pathOf(i), x, out)
		}
	default:
		out[path] = true
	}
}

// FuzzOutline holds the outline to what the decoder finds in the same text: the
// same values, each where it stands.
func FuzzOutline(f *testing.F) {
	for _, s := range []string{
		example, "a.b.\"c\\u0041\" = {x = [1, {y = '''\n'''}]}\n[[t]]\n[[t.u]]\nz=1\n[t.u.v]\nw=2\n[[t.u]]\n",
		"a = \"\"\"\"x\"\"\"\"\" # c\n'' = 1979-05-27 07:32:00\n", "x = [\n# c\n[1,2,],[\n],]\r\ny=nan", "[a]\n[a.b]\n[[a.c]]\n  d  =  'e'  \n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var tree map[string]any
		if _, err := toml.Decode(s, &tree); err != nil {
			_ = outline(s) // ends, at least
			return
		}
		want := map[string]bool{}
		leaves("", tree, want)
		got := map[string]entry{}
		for _, e := range outline(s) {
			if e.start > e.end || e.end > len(s) || e.line < 1 || e.line > 1+strings.Count(s, "\n") {
				t.Fatalf("%q: entry %+v", s, e)
			}
			if !e.header {
				got[e.path] = e
			}
		}
		for p := range want {
			if _, ok := got[p]; !ok {
				t.Errorf("%q: no entry %q", s, p)
			}
		}
	})
}

// FuzzParse checks that a file that was read can have its digests set, that it
// then reads the same but for them, and that setting them again changes nothing.
func FuzzParse(f *testing.F) {
	f.Add("[[run]]\ntrace=\"a\"\nqdiscs=[\"pfifo\",'x\\y']\n[run.digests]\nold=\"1\"\n")
	f.Add(strings.Replace(example, "fq_codel.drops\n", "drops<1", 1) + "[[run]]\ntrace=\"b\"\nqdiscs=[\"red\"]\n")
	f.Fuzz(func(t *testing.T, s string) {
		file, err := Parse("x", []byte(s))
		if err != nil {
			return
		}
		for i := range file.Runs {
			r := &file.Runs[i]
			var set []Digest
			for j := range r.Cases {
				for _, q := range r.Qdiscs {
					set = append(set, Digest{r.Cases[j].DigestKey(q.Text), fmt.Sprint("xxh64:", j)})
				}
			}
			if len(set) > 64 || r.NoDigests {
				return
			}
			out, err := SetDigests(s, i, set)
			if err != nil {
				continue // digests that are not in a table
			}
			again, err := Parse("x", []byte(out))
			if err != nil {
				t.Fatalf("%q became %q: %v", s, out, err)
			}
			if len(again.Runs[i].Stale()) > 0 || len(again.Runs[i].Digests) != len(set) || again.Runs[i].Name != r.Name {
				t.Fatalf("%q became %q", s, out)
			}
			for _, d := range set {
				if again.Runs[i].Digests[d.Key].Text != d.Value {
					t.Fatalf("%q became %q without %+v", s, out, d)
				}
			}
			if twice, err := SetDigests(out, i, set); err != nil || twice != out {
				t.Fatalf("%q became %q, %v", out, twice, err)
			}
		}
	})
}
