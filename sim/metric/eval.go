package metric

import (
	"fmt"
	"strings"
)

// absent is the error of what comes with the traffic or the link, and did not: an
// assertion about flows that never came would hold whatever the qdisc did.
type absent struct{ text string }

func (e *absent) Error() string { return e.text }

// noValue is the error of a metric that nothing was measured for.
type noValue struct{ text string }

func (e *noValue) Error() string { return e.text }

// measured is a metric's value.
type measured struct {
	v    float64
	unit Unit
}

// values are those of an assertion's metrics in one run.
type values map[*ref]measured

// compare computes both sides in their common unit.
func (vs values) compare(a *Assertion) (left, right float64, u Unit, err error) {
	l, err := vs.unit(a.left)
	if err != nil {
		return 0, 0, 0, err
	}
	r, err := vs.unit(a.right)
	if err != nil {
		return 0, 0, 0, err
	}
	if u, err = join(l, r, "compares"); err != nil {
		return 0, 0, 0, err
	}
	if left, err = vs.eval(a.left, u); err != nil {
		return 0, 0, u, err
	}
	right, err = vs.eval(a.right, u)
	return left, right, u, err
}

// join is the unit of two things that must have the same; Plain takes the
// other's.
func join(l, r Unit, does string) (Unit, error) {
	switch {
	case l == Plain:
		return r, nil
	case r == Plain || l == r:
		return l, nil
	}
	return 0, fmt.Errorf("%s %s with %s", does, l.words(), r.words())
}

// unit is a node's unit, Plain if it takes any.
func (vs values) unit(n node) (Unit, error) {
	switch n := n.(type) {
	case *ref:
		return vs[n].unit, nil
	case *binary:
		l, err := vs.unit(n.left)
		if err != nil {
			return 0, err
		}
		r, err := vs.unit(n.right)
		if err != nil {
			return 0, err
		}
		if n.op == '/' && suffixed(n.right) {
			r = l
		}
		return combine(n.op, l, r)
	}
	return Plain, nil
}

func combine(op byte, l, r Unit) (Unit, error) {
	switch {
	case op == '+' || op == '-':
		return join(l, r, "adds")
	case r == Plain || r == Ratio:
		return l, nil
	case op == '*' && (l == Plain || l == Ratio):
		return r, nil
	case op == '/' && (l == r || l == Plain):
		return Ratio, nil
	}
	return 0, fmt.Errorf("multiplies or divides %s by %s", l.words(), r.words())
}

// eval computes a node, whose literals are of the unit want.
func (vs values) eval(n node, want Unit) (float64, error) {
	switch n := n.(type) {
	case literal:
		v, err := want.parse(n.text)
		if err != nil && want == Plain && strings.Trim(n.text, "0123456789.") != "" {
			err = fmt.Errorf("%q: what it is compared with is a plain number of tc's: give no unit", n.text)
		}
		return v, err
	case *ref:
		return vs[n].v, nil
	}
	b := n.(*binary)
	lu, ru := vs.operands(b, want)
	l, err := vs.eval(b.left, lu)
	if err != nil {
		return 0, err
	}
	r, err := vs.eval(b.right, ru)
	if err != nil {
		return 0, err
	}
	switch b.op {
	case '+':
		return l + r, nil
	case '-':
		return l - r, nil
	case '*':
		return l * r, nil
	}
	if r == 0 {
		return 0, &noValue{"divides by 0"}
	}
	return l / r, nil
}

// operands are the units of the literals on either side. The units were found to
// fit before.
func (vs values) operands(b *binary, want Unit) (left, right Unit) {
	l, _ := vs.unit(b.left)
	r, _ := vs.unit(b.right)
	switch {
	case b.op == '+' || b.op == '-':
		u, _ := join(l, r, "")
		if u == Plain {
			u = want
		}
		return u, u
	case b.op == '/' && r != Plain && r != Ratio:
		return r, r
	case b.op == '/' && suffixed(b.right):
		return l, l
	case b.op == '*' && l == Plain && (r != Plain || suffixed(b.right)):
		return Ratio, want
	}
	return want, Ratio
}

// suffixed says whether a node is a literal with a unit.
func suffixed(n node) bool {
	l, ok := n.(literal)
	return ok && strings.Trim(l.text, "0123456789.%") != ""
}
