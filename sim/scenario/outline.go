package scenario

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// entry is a header, or a key with its value, where it stands in the text.
type entry struct {
	path string // see pathOf
	line int
	// start and end bound a value's text, or a header's line.
	start, end int
	header     bool
	// under is the number of the header it stands under, -1 before the first.
	under int
	// own says that it has a line of its own: it is not within an inline table or
	// an array, and no part of its path is left to dots.
	own bool
}

// pathOf joins keys and numbers of elements to a path.
func pathOf(parts ...any) string {
	var b strings.Builder
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b.WriteString(strconv.Itoa(p))
		case string:
			b.WriteString(p)
		}
		b.WriteByte(0)
	}
	return b.String()
}

// outline finds where each key of a TOML document stands, which the decoder does
// not tell. The document must be valid; of another the outline is of no use.
func outline(text string) []entry {
	o := &outliner{text: text, line: 1, under: -1, tables: map[string]int{}}
	for o.at < len(o.text) {
		switch c := o.text[o.at]; {
		case c == '[':
			o.readHeader()
		case c == '#' || c == '\n' || c == ' ' || c == '\t' || c == '\r':
			o.blank()
		default:
			o.readKey(o.prefix, true)
		}
	}
	return o.entries
}

type outliner struct {
	text     string
	at, line int
	prefix   string
	under    int
	tables   map[string]int // elements of arrays of tables so far
	entries  []entry
}

func (o *outliner) peek() byte {
	if o.at < len(o.text) {
		return o.text[o.at]
	}
	return 0
}

func (o *outliner) next() {
	if o.peek() == '\n' {
		o.line++
	}
	o.at = min(o.at+1, len(o.text))
}

// until goes on to the first of the characters.
func (o *outliner) until(chars string) {
	for o.at < len(o.text) && strings.IndexByte(chars, o.text[o.at]) < 0 {
		o.next()
	}
}

// blank passes white space, line ends and comments.
func (o *outliner) blank() {
	for o.at < len(o.text) {
		switch o.text[o.at] {
		case '#':
			o.until("\n")
		case ' ', '\t', '\r', '\n':
			o.next()
		default:
			return
		}
	}
}

func (o *outliner) spaces() {
	for o.peek() == ' ' || o.peek() == '\t' {
		o.next()
	}
}

// readHeader reads [a.b] or [[a.b]].
func (o *outliner) readHeader() {
	start, line := o.at, o.line
	o.next()
	array := o.peek() == '['
	if array {
		o.next()
	}
	keys := o.keys()
	path := ""
	for i, k := range keys {
		path += pathOf(k)
		n, ok := o.tables[path]
		if array && i == len(keys)-1 {
			if ok {
				n++
			}
			o.tables[path], ok = n, true
		}
		if ok {
			path += pathOf(n)
		}
	}
	o.until("\n")
	o.prefix, o.under = path, len(o.entries)
	o.entries = append(o.entries, entry{path: path, line: line, start: start, end: o.at, header: true, under: o.under})
}

// keys reads a key, its parts between dots.
func (o *outliner) keys() (keys []string) {
	for {
		o.spaces()
		start := o.at
		switch o.peek() {
		case '"', '\'':
			o.quoted()
			keys = append(keys, unquote(o.text[start:o.at]))
		default:
			o.until(" \t.=]\n")
			keys = append(keys, o.text[start:o.at])
		}
		o.spaces()
		if o.peek() != '.' {
			return keys
		}
		o.next()
	}
}

// readKey reads KEY = VALUE.
func (o *outliner) readKey(prefix string, own bool) {
	start, line := o.at, o.line
	keys := o.keys()
	for _, k := range keys {
		prefix += pathOf(k)
	}
	o.spaces()
	if o.peek() == '=' {
		o.next()
	}
	o.value(prefix, line, own && len(keys) == 1)
	if o.at == start {
		o.next() // no valid document gets here
	}
}

// value reads a value and what is in it.
func (o *outliner) value(path string, line int, own bool) {
	o.spaces()
	i := len(o.entries)
	o.entries = append(o.entries, entry{path: path, line: line, start: o.at, under: o.under, own: own})
	switch o.peek() {
	case '"', '\'':
		o.quoted()
	case '[':
		o.elements(']', func(n int) { o.value(path+pathOf(n), o.line, false) })
	case '{':
		o.elements('}', func(int) { o.readKey(path, false) })
	default:
		o.until(",]}#\n")
	}
	o.entries[i].end = o.at
	e := &o.entries[i]
	for e.end > e.start && strings.IndexByte(" \t\r", o.text[e.end-1]) >= 0 {
		e.end--
	}
}

// elements reads an array or an inline table up to its end.
func (o *outliner) elements(end byte, one func(n int)) {
	o.next()
	for n := 0; o.at < len(o.text); n++ {
		if o.blank(); o.peek() == end {
			o.next()
			return
		}
		before := o.at
		one(n)
		if o.blank(); o.peek() == ',' {
			o.next()
		}
		if o.at == before {
			o.next() // no valid document gets here
		}
	}
}

// quoted passes a string of any of the four kinds.
func (o *outliner) quoted() {
	q := o.text[o.at : o.at+1]
	if long := strings.Repeat(q, 3); strings.HasPrefix(o.text[o.at:], long) {
		o.at += 3
		o.quotedUntil(long)
		for strings.HasPrefix(o.text[o.at:], q) { // quotes before the closing three
			o.at++
		}
		return
	}
	o.at++
	o.quotedUntil(q)
}

func (o *outliner) quotedUntil(end string) {
	for o.at < len(o.text) && !strings.HasPrefix(o.text[o.at:], end) {
		if o.peek() == '\\' && end[0] == '"' {
			o.next()
		}
		o.next()
	}
	o.at = min(o.at+len(end), len(o.text))
}

// unquote reads a key in quotes.
func unquote(s string) string {
	if len(s) < 2 || s[0] == '\'' {
		return strings.Trim(s, "'")
	}
	s = s[1 : len(s)-1]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if digits, ok := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]; ok {
			r, _ := strconv.ParseUint(s[i+1:min(i+1+digits, len(s))], 16, 32)
			b.WriteRune(rune(r))
			i += digits
			continue
		}
		if p := strings.IndexByte("btnfre", s[i]); p >= 0 {
			b.WriteByte("\b\t\n\f\r\x1b"[p])
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// quote writes a string as TOML has it, without quotes where it is a bare key.
func quote(s string, key bool) string {
	if key && s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == "" {
		return s
	}
	b := []byte{'"'}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = append(b, "\\u00"...)
			b = append(b, "0123456789abcdef"[r>>4], "0123456789abcdef"[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return string(append(b, '"'))
}
