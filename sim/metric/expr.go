package metric

import (
	"fmt"
	"strings"
)

// maxExpression bounds an assertion, and with it how deep its brackets nest.
const maxExpression = 1 << 10

// Assertion is a comparison of metrics and numbers.
type Assertion struct {
	text        string
	op          string
	left, right node
	refs        []*ref
	// digest is what the digest of a run is compared with, if that is what is
	// compared.
	digest string
}

// String is the assertion as it was written.
func (a *Assertion) String() string { return a.text }

// node is a literal, a metric, or two nodes joined by + - * or /.
type node interface{}

type literal struct{ text string }

// ref is a metric as it is named: qdisc and scopes, if any, and the name.
type ref struct {
	text string
	// run is what stands before the first dot if that names a qdisc: a kind, a
	// label, or the argument of run(...).
	run    string
	scopes []part
	name   string
}

// part is one word of a metric, with what stood in brackets after it.
type part struct {
	word, arg  string
	bracketed  bool
	start, end int // of arg, in the assertion's text
}

type binary struct {
	op          byte
	left, right node
}

// Parse reads an assertion. Whether its metrics exist is for [Check] to say.
func Parse(s string) (*Assertion, error) {
	s = strings.TrimSpace(s)
	a, err := parse(s)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", s, err)
	}
	return a, nil
}

func parse(s string) (*Assertion, error) {
	if len(s) > maxExpression {
		return nil, fmt.Errorf("longer than %d characters", maxExpression)
	}
	p := &parser{s: s}
	a := &Assertion{text: s}
	var err error
	if a.left, err = p.sum(); err != nil {
		return nil, err
	}
	if a.op = p.comparison(); a.op == "" {
		return nil, p.wants("a comparison: <, <=, ==, !=, >= or >")
	}
	if r, ok := a.left.(*ref); ok && r.name == digestName && len(r.scopes) == 0 {
		a.refs = p.refs
		return a, p.digest(a)
	}
	if a.right, err = p.sum(); err != nil {
		return nil, err
	}
	if p.space(); p.at < len(s) {
		return nil, p.wants("the end, or one of + - * /")
	}
	if a.refs = p.refs; len(a.refs) == 0 {
		return nil, fmt.Errorf("names no metric, so it says nothing about a run: write, for example, sojourn_p99 < 20ms")
	}
	return a, nil
}

// digestName is the one metric that is no number.
const digestName = "digest"

// digest reads the rest of [QDISC.]digest == xxh64:....
func (p *parser) digest(a *Assertion) error {
	if a.op != "==" && a.op != "!=" {
		return fmt.Errorf("compares a digest with %s: write == or !=", a.op)
	}
	p.space()
	a.digest = p.s[p.at:]
	hex, ok := strings.CutPrefix(a.digest, "xxh64:")
	if !ok || len(hex) != 16 || strings.Trim(hex, "0123456789abcdef") != "" {
		return p.wants("a digest such as xxh64:3866878217171540")
	}
	return nil
}

type parser struct {
	s    string
	at   int
	refs []*ref
}

func (p *parser) space() {
	for p.at < len(p.s) && (p.s[p.at] == ' ' || p.s[p.at] == '\t') {
		p.at++
	}
}

// peek is the next character after space, or 0.
func (p *parser) peek() byte {
	p.space()
	if p.at == len(p.s) {
		return 0
	}
	return p.s[p.at]
}

func (p *parser) wants(what string) error {
	p.space()
	if p.at == len(p.s) {
		return fmt.Errorf("ends where it wants %s", what)
	}
	return fmt.Errorf("wants %s at %q", what, p.s[p.at:])
}

func (p *parser) comparison() string {
	p.space()
	for _, op := range []string{"<=", "==", "!=", ">=", "<", ">"} {
		if strings.HasPrefix(p.s[p.at:], op) {
			p.at += len(op)
			return op
		}
	}
	return ""
}

func (p *parser) sum() (node, error)     { return p.chain("+-", p.product) }
func (p *parser) product() (node, error) { return p.chain("*/", p.operand) }

// chain reads operands joined by any of ops, from left to right.
func (p *parser) chain(ops string, operand func() (node, error)) (node, error) {
	n, err := operand()
	for err == nil && p.peek() != 0 && strings.IndexByte(ops, p.peek()) >= 0 {
		b := &binary{op: p.peek(), left: n}
		p.at++
		b.right, err = operand()
		n = b
	}
	return n, err
}

func (p *parser) operand() (node, error) {
	switch c := p.peek(); {
	case c == '(':
		p.at++
		n, err := p.sum()
		if err == nil && p.peek() != ')' {
			err = p.wants(`")"`)
		}
		p.at++
		return n, err
	case c >= '0' && c <= '9' || c == '.':
		return literal{p.while(func(c byte) bool { return wordChar(c) || c == '.' || c == '%' })}, nil
	case wordChar(c):
		return p.metric()
	}
	return nil, p.wants("a metric or a number")
}

func (p *parser) while(ok func(byte) bool) string {
	start := p.at
	for p.at < len(p.s) && ok(p.s[p.at]) {
		p.at++
	}
	return p.s[start:p.at]
}

func wordChar(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// metric reads words joined by dots, each with brackets after it or not.
func (p *parser) metric() (node, error) {
	var parts []part
	start := p.at
	for {
		w, err := p.part()
		if err != nil {
			return nil, err
		}
		parts = append(parts, w)
		if p.at == len(p.s) || p.s[p.at] != '.' {
			break
		}
		p.at++
	}
	r := &ref{text: p.s[start:p.at], name: parts[len(parts)-1].word}
	if parts[len(parts)-1].bracketed {
		return nil, fmt.Errorf("%s names no metric: write one behind it, for example %s.drops", r.text, r.text)
	}
	parts = parts[:len(parts)-1]
	if len(parts) > 0 && (!parts[0].bracketed || parts[0].word == "run") {
		r.run = parts[0].word
		if parts[0].bracketed {
			r.run = "(" + parts[0].arg
		}
		parts = parts[1:]
	}
	r.scopes = parts
	p.refs = append(p.refs, r)
	return r, nil
}

func (p *parser) part() (part, error) {
	w := part{word: p.while(func(c byte) bool { return wordChar(c) || c == '#' })}
	if w.word == "" {
		return w, p.wants("a name")
	}
	if p.at == len(p.s) || p.s[p.at] != '(' {
		return w, nil
	}
	p.at++
	depth := 1
	raw := p.while(func(c byte) bool {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		}
		return depth > 0
	})
	if depth > 0 {
		return w, fmt.Errorf(`%s( has no ")"`, w.word)
	}
	w.bracketed, w.arg, w.start, w.end = true, strings.TrimSpace(raw), p.at-len(raw), p.at
	p.at++
	if w.arg == "" {
		return w, fmt.Errorf("%s() is empty", w.word)
	}
	return w, nil
}
