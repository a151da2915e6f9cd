package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/uqtool/uq/sim/metric"
	"github.com/uqtool/uq/sim/tc"
)

// reader turns the decoded tree into a File, and collects what is wrong.
type reader struct {
	name  string
	lines map[string]int
	errs  []*LineError
}

func (r *reader) fail(line int, format string, args ...any) {
	r.errs = append(r.errs, &LineError{r.name, max(line, 1), fmt.Errorf(format, args...)})
}

// all is every error once, in the order of the lines.
func (r *reader) all() error {
	slices.SortStableFunc(r.errs, func(a, b *LineError) int {
		return cmp.Or(a.Line-b.Line, strings.Compare(a.Error(), b.Error()))
	})
	var errs []error
	for i, e := range r.errs {
		if i == 0 || e.Error() != r.errs[i-1].Error() {
			errs = append(errs, e)
		}
	}
	return errors.Join(errs...)
}

// settings are the keys of a run, with where their values go. Those that only is
// set for stand under [[run]], not above it.
var settings = []struct {
	name string
	only bool
	set  func(r *reader, run *Run, path string, v any)
}{
	{"name", true, func(r *reader, run *Run, path string, v any) { run.name = r.text(path, v) }},
	{"trace", false, func(r *reader, run *Run, path string, v any) { run.traces = []Text{r.text(path, v)} }},
	{"traces", false, func(r *reader, run *Run, path string, v any) { run.traces = r.texts(path, v) }},
	{"qdiscs", false, func(r *reader, run *Run, path string, v any) { run.Qdiscs = r.texts(path, v) }},
	{"link", false, func(r *reader, run *Run, path string, v any) { run.links = []Text{r.text(path, v)} }},
	{"links", false, func(r *reader, run *Run, path string, v any) { run.links = r.texts(path, v) }},
	{"seed", false, func(r *reader, run *Run, path string, v any) { run.seeds = r.numbers(path, []any{v}) }},
	{"seeds", false, func(r *reader, run *Run, path string, v any) { run.seeds = r.numbers(path, v) }},
	{"gso", false, func(r *reader, run *Run, path string, v any) { run.GSO = r.text(path, v) }},
	{"assert", false, (*reader).assert},
	{"digests", true, (*reader).digests},
}

// set reads the settings of one table.
func (r *reader) set(run *Run, path string, tree map[string]any, top bool, besides ...string) {
	known := besides
	for _, s := range settings {
		if top && s.only {
			continue
		}
		known = append(known, s.name)
		if v, ok := tree[s.name]; ok {
			s.set(r, run, path+pathOf(s.name), v)
		}
	}
	for _, pair := range [][2]string{{"trace", "traces"}, {"link", "links"}, {"seed", "seeds"}} {
		_, one := tree[pair[0]]
		if _, several := tree[pair[1]]; one && several {
			r.fail(r.lines[path+pathOf(pair[1])], "%s and %s: write one of them", pair[0], pair[1])
		}
	}
	for _, k := range sorted(tree) {
		if !slices.Contains(known, k) {
			r.fail(r.lines[path+pathOf(k)], "unknown setting %q: %s", k, hint(k, known))
		}
	}
}

func hint(k string, known []string) string {
	if n := tc.Nearest(k, known); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return "there are " + strings.Join(known, ", ")
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (r *reader) text(path string, v any) Text {
	s, ok := v.(string)
	if !ok {
		r.fail(r.lines[path], "%s: want a string", lastKey(path))
	}
	return Text{s, r.lines[path]}
}

func (r *reader) texts(path string, v any) (ts []Text) {
	list, ok := v.([]any)
	if !ok {
		r.fail(r.lines[path], "%s: want a list of strings", lastKey(path))
		return []Text{{"", r.lines[path]}} // not missing as well
	}
	for i, x := range list {
		at := path + pathOf(i)
		s, ok := x.(string)
		if !ok {
			r.fail(r.lines[at], "%s: want a list of strings", lastKey(path))
		}
		ts = append(ts, Text{s, r.lines[at]})
	}
	return ts
}

// assert reads a list. Without one there is nothing to find wrong in it.
func (r *reader) assert(run *Run, path string, v any) {
	if run.Assert = r.texts(path, v); len(run.Assert) == 1 && run.Assert[0].Text == "" {
		if _, ok := v.([]any); !ok {
			run.Assert = nil
		}
	}
}

func (r *reader) numbers(path string, v any) (ns []seed) {
	list, ok := v.([]any)
	if !ok {
		r.fail(r.lines[path], "%s: want a list of numbers", lastKey(path))
	}
	for i, x := range list {
		n, ok := x.(int64)
		line, found := r.lines[path+pathOf(i)]
		if !found {
			line = r.lines[path]
		}
		if !ok || n < 0 {
			r.fail(line, "%s: want a whole number, 0 or more", lastKey(path))
		}
		ns = append(ns, seed{uint64(n), line})
	}
	return ns
}

func (r *reader) table(path string, v any) map[string]Text {
	m, ok := v.(map[string]any)
	if !ok {
		r.fail(r.lines[path], "%s: want a table", lastKey(path))
	}
	texts := map[string]Text{}
	for _, k := range sorted(m) {
		texts[k] = r.text(path+pathOf(k), m[k])
	}
	return texts
}

// digests reads a table, or false.
func (r *reader) digests(run *Run, path string, v any) {
	switch b, ok := v.(bool); {
	case !ok:
		run.Digests = r.table(path, v)
	case b:
		r.fail(r.lines[path], "digests: want a table, or false for none")
	default:
		run.NoDigests = true
	}
}

// lastKey is the last key of a path that ends in one.
func lastKey(path string) string {
	parts := strings.Split(strings.TrimSuffix(path, "\x00"), "\x00")
	return parts[len(parts)-1]
}

// file reads the whole tree.
func (r *reader) file(tree map[string]any) *File {
	f := &File{Name: r.name, Flows: metric.Flows{}}
	if v, ok := tree["flows"]; ok {
		r.flows(f, v)
	}
	var defaults Run
	r.set(&defaults, "", tree, true, "flows", "run")
	runs, ok := tree["run"].([]map[string]any)
	if _, some := tree["run"]; !ok && some {
		r.fail(r.lines[pathOf("run")], "run: write [[run]], with two brackets")
	} else if !ok {
		r.fail(1, "no [[run]]: nothing to do")
	}
	for i, t := range runs {
		run := Run{Line: r.lines[pathOf("run", i)]}
		r.set(&run, pathOf("run", i), t, false)
		r.complete(f, &run, &defaults, i)
		f.Runs = append(f.Runs, run)
	}
	for i := range f.Runs {
		same := func(q Run) bool { return q.Name == f.Runs[i].Name }
		if j := slices.IndexFunc(f.Runs, same); j < i {
			r.fail(f.Runs[i].Line, "another run has the name %q, on line %d: give each its own", f.Runs[i].Name, f.Runs[j].Line)
		}
	}
	return f
}

func (r *reader) flows(f *File, v any) {
	path := pathOf("flows")
	before := len(r.errs)
	names := r.table(path, v)
	if len(r.errs) > before {
		return
	}
	for _, n := range sorted(names) {
		f.Flows[n] = names[n].Text
		if _, err := (metric.Flows{n: names[n].Text}).Names(); err != nil {
			r.fail(names[n].Line, "%w", err)
		}
	}
}

// complete fills in what a run does not say, and makes its cases.
func (r *reader) complete(f *File, run, defaults *Run, i int) {
	if run.Name = run.name.Text; run.Name == "" {
		run.Name = fmt.Sprintf("run %d", i+1)
	}
	inherit(&run.traces, defaults.traces)
	inherit(&run.Qdiscs, defaults.Qdiscs)
	inherit(&run.links, defaults.links)
	inherit(&run.seeds, defaults.seeds)
	if run.GSO.Text == "" {
		run.GSO = defaults.GSO
	}
	run.Assert = slices.Concat(defaults.Assert, run.Assert)
	if len(run.links) == 0 {
		run.links = []Text{{"", run.Line}}
	}
	if len(run.seeds) == 0 {
		run.seeds = []seed{{1, run.Line}}
	}
	if len(run.traces) == 0 {
		r.fail(run.Line, "no trace: name one beside this file, or an embedded one: trace = \"corpus:mix.zst\"")
	}
	if len(run.Qdiscs) == 0 {
		r.fail(run.Line, "no qdiscs: write, for example, qdiscs = [\"pfifo\", \"fq_codel\"]")
	}
	seeds := make([]Text, len(run.seeds))
	for i, s := range run.seeds {
		seeds[i] = Text{fmt.Sprint(s.n), s.line}
	}
	for _, l := range [][]Text{run.traces, run.links, seeds, run.Qdiscs} {
		r.unique(l)
	}
	r.assertions(f, run)
	r.cases(run)
}

func inherit[T any](v *[]T, from []T) {
	if *v == nil {
		*v = from
	}
}

func (r *reader) unique(ts []Text) {
	for i, t := range ts {
		if slices.ContainsFunc(ts[:i], func(u Text) bool { return u.Text == t.Text }) {
			r.fail(t.Line, "%q is listed twice", t.Text)
		}
	}
}

func (r *reader) assertions(f *File, run *Run) {
	for _, t := range run.Assert {
		a, err := metric.Parse(t.Text)
		if err == nil {
			_, err = metric.NewProbe([]*metric.Assertion{a}, f.Flows)
		}
		if err != nil {
			r.fail(t.Line, "assert %w", err)
			continue
		}
		run.Assertions = append(run.Assertions, a)
	}
}

// cases are all combinations.
func (r *reader) cases(run *Run) {
	if n := len(run.traces) * len(run.links) * len(run.seeds); n > maxCases {
		r.fail(run.Line, "%d combinations of traces, links and seeds: at most %d", n, maxCases)
		return
	}
	for _, t := range run.traces {
		for _, l := range run.links {
			for _, s := range run.seeds {
				c := Case{Trace: t, Link: l, Seed: s.n}
				if len(run.traces) > 1 {
					c.varies = append(c.varies, t.Text)
				}
				if len(run.links) > 1 {
					c.varies = append(c.varies, l.Text)
				}
				if len(run.seeds) > 1 {
					c.varies = append(c.varies, fmt.Sprintf("seed %d", s.n))
				}
				run.Cases = append(run.Cases, c)
			}
		}
	}
}
