package metric

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/report"
)

// Lane is one run with what assertions may ask of it.
type Lane struct {
	// Words are the qdisc as the user wrote it.
	Words string
	Run   *report.Run
	Port  *egress.Port
	// Probe saw the run's events; nil if the assertions name no flows.
	Probe *Probe
}

// Result is how an assertion fared in one run.
type Result struct {
	Assertion string `json:"assertion"`
	// Qdisc is the run that an assertion which names none was held against.
	Qdisc string `json:"qdisc,omitempty"`
	OK    bool   `json:"ok"`
	// Measured and Limit are the sides of the comparison, in Unit; Margin is how
	// far they are apart: negative if the assertion failed.
	Measured *float64 `json:"measured,omitempty"`
	Limit    *float64 `json:"limit,omitempty"`
	Unit     string   `json:"unit,omitempty"`
	Margin   *float64 `json:"margin,omitempty"`
	// MarginPercent is Margin as a share of Limit.
	MarginPercent *float64 `json:"margin_percent,omitempty"`
	// Digest is what was measured where digests are compared.
	Digest string `json:"digest,omitempty"`
	// Error says why nothing was compared.
	Error string `json:"error,omitempty"`
	// Invalid says that the assertion is at fault, not the run.
	Invalid bool `json:"invalid,omitempty"`

	op   string
	unit Unit
	want string // the other digest
}

// Check holds assertions against finished runs: a result for each, or for each
// and every run.
func Check(as []*Assertion, lanes []Lane) (rs []Result) {
	labels := Labels(lanes)
	for _, a := range as {
		if a.everywhere() {
			for i := range lanes {
				r := a.check(lanes, labels, i)
				r.Qdisc = labels[i]
				rs = append(rs, r)
			}
			continue
		}
		rs = append(rs, a.check(lanes, labels, -1))
	}
	return rs
}

// Validate says what is wrong with assertions before anything runs, given runs in
// which nothing happened yet.
func Validate(as []*Assertion, lanes []Lane) error {
	labels := Labels(lanes)
	for _, a := range as {
		for i := range lanes {
			if _, _, _, err := a.compare(lanes, labels, i); err != nil && invalid(err) && !errors.As(err, new(*absent)) {
				return a.wrap(err)
			}
		}
	}
	return nil
}

// invalid says whether an error is the assertion's fault.
func invalid(err error) bool { return !errors.As(err, new(*noValue)) }

func (a *Assertion) wrap(err error) error { return fmt.Errorf("%q: %w", a.text, err) }

// everywhere says that a metric names no qdisc, so that all are meant.
func (a *Assertion) everywhere() bool {
	return slices.ContainsFunc(a.refs, func(r *ref) bool { return r.run == "" })
}

// selectors are the arguments of flow(...).
func (a *Assertion) selectors() (ps []part) {
	for _, r := range a.refs {
		for _, s := range r.scopes {
			if s.word == "flow" && s.bracketed {
				ps = append(ps, s)
			}
		}
	}
	return ps
}

// Expand returns the assertion's text without names of flows: what stands for
// them in their place.
func (a *Assertion) Expand(names Flows) string {
	s := a.text
	ps := a.selectors()
	for i := len(ps) - 1; i >= 0; i-- {
		if t, ok := names[ps[i].arg]; ok {
			s = s[:ps[i].start] + t + s[ps[i].end:]
		}
	}
	return s
}

// Labels name the runs: the kind, numbered where it occurs twice.
func Labels(lanes []Lane) []string {
	total, seen := map[string]int{}, map[string]int{}
	for _, l := range lanes {
		total[l.Run.Kind]++
	}
	labels := make([]string, len(lanes))
	for i, l := range lanes {
		k := l.Run.Kind
		if seen[k]++; total[k] > 1 {
			k += "#" + strconv.Itoa(seen[k])
		}
		labels[i] = k
	}
	return labels
}

// compare computes the sides, with lane i for metrics that name no qdisc.
func (a *Assertion) compare(lanes []Lane, labels []string, i int) (l, r float64, u Unit, err error) {
	if a.digest != "" {
		_, err := a.refs[0].lane(lanes, labels, i)
		return 0, 0, Plain, err
	}
	vs := values{}
	var missing error
	for _, ref := range a.refs {
		at, err := ref.lane(lanes, labels, i)
		if err != nil {
			return 0, 0, 0, err
		}
		p := runPlace(&lanes[at], labels[at])
		for _, s := range ref.scopes {
			if p, err = p.in(s); err != nil {
				return 0, 0, 0, err
			}
		}
		m := measured{}
		if m.v, m.unit, err = p.value(ref.name); err != nil && invalid(err) {
			return 0, 0, 0, err
		}
		if vs[ref] = m; err != nil {
			missing = err
		}
	}
	if l, r, u, err = vs.compare(a); missing != nil && (err == nil || !invalid(err)) {
		err = missing
	}
	return l, r, u, err
}

// lane is the run that a metric is of.
func (r *ref) lane(lanes []Lane, labels []string, otherwise int) (int, error) {
	arg, bracketed := strings.CutPrefix(r.run, "(")
	switch {
	case r.run == "":
		return otherwise, nil
	case bracketed:
		return byNumberOrWords(lanes, arg)
	}
	if i := slices.Index(labels, r.run); i >= 0 {
		return i, nil
	}
	for _, l := range labels {
		if strings.HasPrefix(l, r.run+"#") {
			return 0, fmt.Errorf("several runs are of %s: write %s, or run(2) for the second of all", r.run, l)
		}
	}
	return 0, fmt.Errorf("no qdisc %q was run: %s", r.run, suggest(r.run, labels))
}

func byNumberOrWords(lanes []Lane, arg string) (int, error) {
	if n, err := strconv.Atoi(arg); err == nil {
		if n < 1 || n > len(lanes) {
			return 0, fmt.Errorf("run(%d): want 1 to %d", n, len(lanes))
		}
		return n - 1, nil
	}
	arg = strings.Join(strings.Fields(arg), " ")
	var words []string
	for i, l := range lanes {
		w := strings.Join(strings.Fields(l.Words), " ")
		if w == arg || l.Run.Line == arg {
			return i, nil
		}
		words = append(words, w)
	}
	return 0, fmt.Errorf("no qdisc %q was run: there are %s", arg, list(words))
}

func (a *Assertion) check(lanes []Lane, labels []string, i int) Result {
	res := Result{Assertion: a.text, op: a.op}
	l, r, u, err := a.compare(lanes, labels, i)
	if err != nil {
		res.Error, res.Invalid = err.Error(), invalid(err)
		return res
	}
	if a.digest != "" {
		at, _ := a.refs[0].lane(lanes, labels, i) // found before
		res.Digest, res.want = lanes[at].Run.Digest, a.digest
		res.OK = (res.Digest == res.want) == (a.op == "==")
		return res
	}
	if _, ok := a.left.(literal); ok { // 20ms > sojourn_p99
		l, r, res.op = r, l, mirror(a.op)
	}
	res.Measured, res.Limit, res.Unit, res.unit = &l, &r, u.String(), u
	margin, ok := holds(res.op, l, r)
	res.OK, res.Margin = ok, &margin
	if r != 0 {
		p := 100 * margin / math.Abs(r)
		res.MarginPercent = &p
	}
	return res
}

func mirror(op string) string {
	switch op[0] {
	case '<':
		return ">" + op[1:]
	case '>':
		return "<" + op[1:]
	}
	return op
}

// holds compares, and says how much room there is: less than 0 if it does not
// hold, but 0 where equality alone decides against it.
func holds(op string, l, r float64) (margin float64, ok bool) {
	switch op {
	case "<":
		return r - l, l < r
	case "<=":
		return r - l, l <= r
	case ">":
		return l - r, l > r
	case ">=":
		return l - r, l >= r
	case "==":
		return 0 - math.Abs(l-r), l == r // no -0
	}
	return math.Abs(l - r), l != r
}

// String is the measured value, the limit and the margin.
func (r Result) String() string {
	switch {
	case r.Digest != "" && !r.OK && r.op == "==":
		return "is " + r.Digest + ", want " + r.want
	case r.Digest != "":
		return "is " + r.Digest
	case r.Measured == nil:
		return r.Error
	}
	s := fmt.Sprintf("is %s, limit %s", r.unit.Format(*r.Measured), r.unit.Format(*r.Limit))
	if *r.Margin == 0 {
		return s
	}
	s += ": " + r.unit.Format(math.Abs(*r.Margin))
	if r.MarginPercent != nil {
		s += " (" + percent(math.Abs(*r.MarginPercent)) + ")"
	}
	return s + " " + r.side()
}

// percent has three digits, or all before the point.
func percent(p float64) string {
	if p >= 1000 {
		return strconv.FormatFloat(p, 'f', 0, 64) + "%"
	}
	return strconv.FormatFloat(p, 'g', 3, 64) + "%"
}

// side says on which side of the limit the measured value is.
func (r Result) side() string {
	switch {
	case r.OK && r.op != "!=":
		return "to spare"
	case r.op[0] == '<':
		return "too much"
	case r.op[0] == '>':
		return "too little"
	}
	return "off"
}
