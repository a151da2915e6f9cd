package profile

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// fields reads the keys of a table and knows which were asked for. Its first error
// is done's.
type fields struct {
	tree  map[string]any
	of    string // what keys are called by in errors, "queue_config."
	asked []string
	err   error
}

func (f *fields) get(key string) (any, bool) {
	f.asked = append(f.asked, key)
	v, ok := f.tree[key]
	return v, ok
}

func (f *fields) fail(key, want string) {
	if f.err == nil {
		f.err = fmt.Errorf("%s%s: want %s", f.of, key, want)
	}
}

// done is the first error, or that of a key nobody asked for.
func (f *fields) done() error {
	if f.err != nil {
		return f.err
	}
	for _, k := range slices.Sorted(maps.Keys(f.tree)) {
		if !slices.Contains(f.asked, k) {
			return fmt.Errorf("unknown key %q", f.of+k)
		}
	}
	return nil
}

// text is a string, "" if there is none.
func (f *fields) text(key string) string {
	v, ok := f.get(key)
	s, isText := v.(string)
	if ok && !isText {
		f.fail(key, "a string")
	}
	return s
}

// table is a table, nil if there is none.
func (f *fields) table(key string) map[string]any {
	v, ok := f.get(key)
	t, isTable := v.(map[string]any)
	if ok && !isTable {
		f.fail(key, "a table")
	}
	return t
}

// number is a whole number, not negative.
func (f *fields) number(key string) (uint64, bool) {
	v, ok := f.get(key)
	if !ok {
		return 0, false
	}
	n, whole := v.(int64)
	if !whole || n < 0 {
		f.fail(key, "a whole number, 0 or more")
		return 0, false
	}
	return uint64(n), true
}

// numbers is a list of finite numbers.
func (f *fields) numbers(key string) (list []float64) {
	v, ok := f.get(key)
	values, isList := v.([]any)
	if ok && !isList {
		f.fail(key, "a list of numbers")
	}
	for _, x := range values {
		switch n := x.(type) {
		case int64:
			list = append(list, float64(n))
		case float64:
			if math.IsNaN(n) || math.IsInf(n, 0) {
				f.fail(key, "finite numbers")
			}
			list = append(list, n)
		default:
			f.fail(key, "a list of numbers")
		}
	}
	return list
}

// layer is how many bytes besides the IP packet bw_type counts.
func (f *fields) layer() (int, error) {
	switch kind := f.text("bw_type"); kind {
	case "", "NetworkLayer":
		return 0, nil
	case "LinkLayer":
		return rattanLinkLayer, nil
	default:
		return 0, fmt.Errorf("%sbw_type %q: want NetworkLayer or LinkLayer", f.of, kind)
	}
}

// rate is a bandwidth, as words or as { gbps, bps }; limited is false if there is
// none.
func (f *fields) rate(key string) (bps uint64, limited bool, err error) {
	v, ok := f.get(key)
	switch v := v.(type) {
	case string:
		bps, err = bitRate(v)
	case map[string]any:
		parts := &fields{tree: v, of: key + "."}
		gbps, _ := parts.number("gbps")
		bps, _ = parts.number("bps")
		if err = parts.done(); err == nil && (gbps > 1e9 || bps >= 1e9) {
			err = fmt.Errorf("%s: want gbps up to 1000000000 and bps below that", key)
		}
		bps += gbps * 1e9
	default:
		if ok {
			err = errors.New(key + `: want "30Mbps" or { gbps = 0, bps = 30000000 }`)
		}
		return 0, false, err
	}
	if err == nil && bps == 0 {
		err = errors.New(key + " 0 sends nothing: want more")
	}
	return bps, true, err
}
