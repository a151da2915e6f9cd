package wifi

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/tc"
)

// expand writes the words of a file out, if that is what words name:
//
//	file cell.toml [ sha256 DIGITS ] [ IMPAIRMENTS ]
//
// From then on there are only words, in reports and in the headers of traces.
func expand(words []string, env *link.Env) ([]string, error) {
	if len(words) == 0 || words[0] != "file" {
		return words, nil
	}
	if len(words) == 1 {
		return nil, fmt.Errorf("wifi: file needs a name: write \"wifi file cell.toml\"")
	}
	name, rest, sum := words[1], words[2:], ""
	if len(rest) > 1 && rest[0] == "sha256" {
		if err := link.CheckSum(rest[1]); err != nil {
			return nil, fmt.Errorf("wifi: illegal \"sha256\": %w", err)
		}
		sum, rest = rest[1], rest[2:]
	}
	if len(rest) > 0 && !link.IsImpairment(rest[0]) {
		return nil, fmt.Errorf("wifi: %q after the file: only impairments stand there: write the rest into %s", rest[0], name)
	}
	data, _, err := env.Pinned("file", name, sum)
	if err != nil {
		return nil, err
	}
	f := cellFile{name: name, text: string(data)}
	out, err := f.words()
	if err != nil {
		return nil, err
	}
	return append(out, rest...), nil
}

// cellFile is a cell in TOML: what the words of a cell say as keys, a table
// [[sta]] for each station, and as behind what happens behind the medium.
//
//	standard = "ht20"
//	beacon = "102.4ms"
//	behind = "delay 5ms"
//
//	[[sta]]
//	address = ["10.0.0.2", "fd00::2"]
//	rate = "mcs15 sgi"
//	weight = 512
type cellFile struct {
	name, text string
}

func (f *cellFile) words() ([]string, error) {
	tree := map[string]any{}
	if _, err := toml.Decode(f.text, &tree); err != nil {
		var p toml.ParseError
		if errors.As(err, &p) {
			return nil, fmt.Errorf("file %s: line %d: %s", f.name, p.Position.Line, strings.TrimSuffix(p.Message, "."))
		}
		return nil, fmt.Errorf("file %s: %w", f.name, err)
	}
	c, s := newScenario(), newMember()
	words, err := f.table(tree, 0, c.options(), s.options(), "sta", "behind")
	if err != nil {
		return nil, err
	}
	stations, _ := tree["sta"].([]map[string]any)
	if tree["sta"] != nil && stations == nil {
		return nil, f.fail(0, "sta", "want a table [[sta]] for each station")
	}
	for i, station := range stations {
		address, err := f.value("address", station["address"])
		if err != nil || len(address) == 0 {
			return nil, f.fail(i+1, "address", "want the station's address, as text or a list of texts")
		}
		own, err := f.table(station, i+1, s.options(), c.options(), "address")
		if err != nil {
			return nil, err
		}
		words = append(append(words, "sta", strings.Join(address, ",")), own...)
	}
	behind, err := f.value("behind", tree["behind"])
	if err != nil {
		return nil, f.fail(0, "behind", err.Error())
	}
	return append(words, behind...), nil
}

// table makes words of a table's keys, all of which known must know but for those
// besides. others are those of the other kind of table.
func (f *cellFile) table(t map[string]any, station int, known, others tc.Options, besides ...string) (words []string, err error) {
	for _, key := range slices.Sorted(maps.Keys(t)) {
		if slices.Contains(besides, key) {
			continue
		}
		if !known.Knows(key) {
			hint := ""
			switch {
			case others.Knows(key) && station > 0:
				return nil, f.fail(station, key, "it is the cell's: write it before the first [[sta]]")
			case others.Knows(key):
				return nil, f.fail(station, key, "it is a station's: write it below its [[sta]]")
			}
			if n := tc.Nearest(key, append(known.Names(), besides...)); n != "" {
				hint = fmt.Sprintf(" Did you mean %q?", n)
			}
			return nil, f.fail(station, key, fmt.Sprintf("What is it?%s Known are %s", hint, strings.Join(append(known.Names(), besides...), ", ")))
		}
		values, err := f.value(key, t[key])
		if err != nil {
			return nil, f.fail(station, key, err.Error())
		}
		own := spelled(key, t[key], values)
		if err := f.belong(station, key, own); err != nil {
			return nil, err
		}
		words = append(words, own...)
	}
	return words, nil
}

// belong says whether all words of a key are about what its table is about.
func (f *cellFile) belong(station int, key string, words []string) error {
	for _, w := range words {
		switch {
		case w == "sta":
			return f.fail(station, key, `"sta" is another's: write a table [[sta]] of its own`)
		case link.IsImpairment(w):
			return f.fail(station, key, fmt.Sprintf(`%q happens behind the medium: write behind = "%s ..." before the first [[sta]]`, w, w))
		}
	}
	return nil
}

// spelled are the words of a key: a rate may be several, and what sets one
// category at a time is said once for each.
func spelled(key string, v any, values []string) (words []string) {
	switch v := v.(type) {
	case bool:
		if v {
			return []string{key}
		}
		return []string{"no" + key}
	case []any:
		if strings.HasSuffix(key, "edca") {
			for _, text := range values {
				words = append(append(words, key), strings.Fields(text)...)
			}
			return words
		}
	}
	if key == "rate" {
		return strings.Fields(strings.Join(values, " "))
	}
	return append([]string{key}, strings.Fields(strings.Join(values, " "))...)
}

// value is a value as texts: none of nothing, one, or as many as a list has.
func (f *cellFile) value(key string, v any) (texts []string, err error) {
	switch v := v.(type) {
	case nil, bool:
	case string:
		if strings.TrimSpace(v) == "" {
			return nil, fmt.Errorf("want something in it, or no %s", key)
		}
		texts = []string{v}
		if key == "behind" {
			texts = strings.Fields(v)
		}
	case int64:
		texts = []string{strconv.FormatInt(v, 10)}
	case []any:
		for _, e := range v {
			one, err := f.value(key, e)
			if err != nil || len(one) != 1 {
				return nil, fmt.Errorf("want texts or whole numbers in the list")
			}
			texts = append(texts, one...)
		}
	default:
		return nil, fmt.Errorf("want text, a whole number, true, false or a list of such")
	}
	return texts, nil
}

// fail names the file, the line, and the key.
func (f *cellFile) fail(station int, key, why string) error {
	where := key
	if station > 0 {
		where = fmt.Sprintf("sta %d: %s", station, key)
	}
	return fmt.Errorf("file %s: line %d: %s: %s", f.name, f.line(station, key), where, why)
}

// line is where a key of a station, or of the cell for 0, stands: the line of the
// table's beginning if it stands in none of its own.
func (f *cellFile) line(station int, key string) int {
	table, begin, number := 0, 1, 0
	for line := range strings.Lines(f.text) {
		number++
		text := strings.TrimSpace(line)
		switch name, _, ok := strings.Cut(text, "="); {
		case strings.HasPrefix(strings.ReplaceAll(text, " ", ""), "[[sta]]"):
			if table++; table == station {
				begin = number
			}
		case ok && table == station && strings.Trim(strings.TrimSpace(name), `"'`) == key:
			return number
		}
	}
	return begin
}
