package tc

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Field is one option or counter of a qdisc or link: a number in base units
// (packets, bytes, bit/s; µs for times, as tc's JSON has them) and the text tc
// prints for it.
type Field struct {
	Key string
	// JSON is the key in tc's JSON where that is another; empty for Key.
	JSON string
	// Num is the value for machines.
	Num int64
	// Value is what tc's JSON has instead of Num where that is no whole number: a
	// list, a fraction, a word. Nil otherwise.
	Value any
	// Text is what people read ("10240p", "5ms"); empty for the plain number.
	Text string
	// Flag marks a bare word such as "ecn": not printed when Num is 0.
	Flag bool
	// Hidden leaves the field out of the printed line (an option at "off").
	Hidden bool
	// Bare prints Text without the key before it, and nothing where Text is empty:
	// "diffserv3", "nonat".
	Bare bool
}

// Option is one word of a qdisc's or link's line, with where its value goes.
// One table per qdisc serves parsing, printing, usage and JSON.
type Option struct {
	name string
	arg  string // what stands for the value in usage; "" for a flag
	help string
	set  func(string) error
	get  func() Field
	// read, if not nil, stands for set: it takes as many of the words as it
	// wants, and says how many.
	read func(words []string) (used int, err error)
	// no says the word has an opposite, "no"+name.
	no bool
}

// Options is the table, in the order tc prints.
type Options []Option

// Values is an option with any number of values: read takes them from the front
// of the words that follow and says how many it took. arg is what stands for
// them in the synopsis, "TIME [ JITTER ]".
func Values(name, arg, help string, read func(words []string) (used int, err error), get func() Field) Option {
	return Option{name: name, arg: arg, help: help, get: get, read: read}
}

// Count is an unsigned number between min and max, printed with suffix (tc
// prints packet limits as "10240p").
func Count(name string, v *int, min, max int, suffix, help string) Option {
	return Option{name: name, arg: "NUMBER", help: help, set: func(s string) error {
		n, err := ParseCount(s)
		if err != nil {
			return err
		}
		return bounded(v, n, min, max, strconv.Itoa)
	}, get: func() Field {
		return Field{Key: name, Num: int64(*v), Text: strconv.Itoa(*v) + suffix}
	}}
}

// Packets is a number of packets, read as tc's pfifo reads its limit: with the
// suffixes of sizes ("1k" is 1024), decimal only.
func Packets(name string, v *int, min, max int, help string) Option {
	o := Size(name, v, min, max, help)
	o.arg = "PACKETS"
	o.set = func(s string) error {
		n, err := ParseSize(strings.TrimSuffix(s, "p"))
		if err != nil {
			return err
		}
		return bounded(v, n, min, max, strconv.Itoa)
	}
	return o.Shown(func(f Field) Field {
		f.Text = strconv.Itoa(*v) + "p"
		return f
	})
}

// Size is a number of bytes between min and max.
func Size(name string, v *int, min, max int, help string) Option {
	return Option{name: name, arg: "SIZE", help: help, set: func(s string) error {
		n, err := ParseSize(s)
		if err != nil {
			return err
		}
		return bounded(v, n, min, max, func(n int) string { return FormatSize(uint64(n)) })
	}, get: func() Field {
		return Field{Key: name, Num: int64(*v), Text: FormatSize(uint64(*v))}
	}}
}

func bounded(v *int, n uint64, min, max int, format func(int) string) error {
	if n < uint64(min) || n > uint64(max) {
		return fmt.Errorf("want %s to %s", format(min), format(max))
	}
	*v = int(n)
	return nil
}

// Time is a span. A negative value means "off" and is not printed.
func Time(name string, v *time.Duration, max time.Duration, help string) Option {
	return Option{name: name, arg: "TIME", help: help, set: func(s string) error {
		d, err := ParseTime(s)
		if err == nil && d > max {
			err = fmt.Errorf("want at most %s", FormatTime(max))
		}
		if err != nil {
			return err
		}
		*v = d
		return nil
	}, get: func() Field {
		return Field{Key: name, Num: int64(*v / time.Microsecond), Text: FormatTime(*v), Hidden: *v < 0}
	}}
}

// Rate is a rate in bits per second; 0 means none and is not printed.
func Rate(name string, v *uint64, help string) Option {
	return Option{name: name, arg: "RATE", help: help, set: func(s string) error {
		r, err := ParseRate(s)
		if err == nil && r == 0 {
			err = fmt.Errorf("want more than 0")
		}
		if err != nil {
			return err
		}
		*v = r
		return nil
	}, get: func() Field {
		return Field{Key: name, Num: int64(*v), Text: FormatRate(*v), Hidden: *v == 0}
	}}
}

// Int is a signed number between min and max; not printed when 0.
func Int(name string, v *int, min, max int, help string) Option {
	return Option{name: name, arg: "NUMBER", help: help, set: func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < min || n > max {
			return fmt.Errorf("want an integer from %d to %d", min, max)
		}
		*v = n
		return nil
	}, get: func() Field {
		return Field{Key: name, Num: int64(*v), Hidden: *v == 0}
	}}
}

// Masked is VALUE/MASK, two bytes in any base, as ce_threshold_selector has it;
// not printed while the mask is 0.
func Masked(name string, v, mask *uint8, help string) Option {
	return Option{name: name, arg: "VALUE/MASK", help: help, set: func(s string) error {
		a, b, ok := strings.Cut(s, "/")
		val, err1 := strconv.ParseUint(a, 0, 8)
		m, err2 := strconv.ParseUint(b, 0, 8)
		if !ok || err1 != nil || err2 != nil {
			return fmt.Errorf("want VALUE/MASK, for example 0x1/0x3 for ECT(1)")
		}
		*v, *mask = uint8(val), uint8(m)
		return nil
	}, get: func() Field {
		return Field{Key: name, Num: int64(*v), Text: fmt.Sprintf("%#x/%#x", *v, *mask), Hidden: *mask == 0}
	}}
}

// Flag is a word that switches v on, with "no"+name switching it off.
func Flag(name string, v *bool, help string) Option {
	return Option{name: name, no: true, help: help, set: func(s string) error {
		*v = s == ""
		return nil
	}, get: func() Field {
		n := int64(0)
		if *v {
			n = 1
		}
		return Field{Key: name, Num: n, Flag: true}
	}}
}

// Word is a bare word that calls set; it is never printed and has no opposite.
func Word(name string, help string, set func()) Option {
	return Option{name: name, help: help, set: func(string) error { set(); return nil }, get: func() Field {
		return Field{Key: name, Hidden: true}
	}}
}

// Shown returns the option printed as edit has it.
func (o Option) Shown(edit func(Field) Field) Option {
	get := o.get
	o.get = func() Field { return edit(get()) }
	return o
}

// HiddenIf returns the option left out of the printed line while hidden is true.
func (o Option) HiddenIf(hidden func() bool) Option {
	return o.Shown(func(f Field) Field {
		f.Hidden = f.Hidden || hidden()
		return f
	})
}

// Parse reads the words after the kind. Errors are worded as tc words them.
func (o Options) Parse(kind string, words []string) error {
	for i := 0; i < len(words); i++ {
		w := words[i]
		opt, no := o.find(w)
		if opt == nil && w == "help" {
			return &Help{Kind: kind, Usage: o.Usage(kind), Options: o.Help()}
		}
		if opt == nil {
			return o.unknown(kind, w)
		}
		val := ""
		switch {
		case opt.read != nil:
			n, err := opt.read(words[i+1:])
			if err != nil {
				return fmt.Errorf("%s: illegal %q: %w", kind, w, err)
			}
			i += n
			continue
		case opt.arg != "":
			if i++; i == len(words) {
				return fmt.Errorf("%s: %q needs a %s. %s", kind, w, opt.arg, o.Usage(kind))
			}
			val = words[i]
		case no:
			val = "no"
		}
		if err := opt.set(val); err != nil {
			return fmt.Errorf("%s: illegal %q: %w", kind, w, err)
		}
	}
	return nil
}

// Unknown is the error of a word that is none of the options.
type Unknown struct {
	Word string
	text string
}

// Error asks what the word is, as tc does, and suggests others.
func (u *Unknown) Error() string { return u.text }

// Help is the "error" of the word help: the user asked for the options.
type Help struct {
	// Kind is the qdisc or link, Usage its synopsis, Options one a line.
	Kind, Usage, Options string
}

// Error is the whole of it.
func (h *Help) Error() string { return h.Usage + "\n" + strings.TrimRight(h.Options, "\n") }

// Names are the words.
func (o Options) Names() (names []string) {
	for i := range o {
		names = append(names, o[i].name)
	}
	return names
}

// Knows says whether w is one of the words.
func (o Options) Knows(w string) bool {
	opt, _ := o.find(w)
	return opt != nil
}

func (o Options) find(w string) (opt *Option, no bool) {
	for i := range o {
		if o[i].name == w {
			return &o[i], false
		}
		if o[i].no && w == "no"+o[i].name {
			return &o[i], true
		}
	}
	return nil, false
}

func (o Options) unknown(kind, w string) error {
	hint, names := "", o.Names()
	for i := range o {
		if o[i].no {
			names = append(names, "no"+o[i].name)
		}
	}
	if n := Nearest(w, names); n != "" {
		hint = fmt.Sprintf(" Did you mean %q?", n)
	}
	return &Unknown{Word: w, text: fmt.Sprintf("%s: What is %q?%s %s", kind, w, hint, o.Usage(kind))}
}

// Usage is the one-line synopsis: "Usage: ... codel [ limit NUMBER ] ...".
func (o Options) Usage(kind string) string {
	var b strings.Builder
	b.WriteString("Usage: ... " + kind)
	for _, opt := range o {
		b.WriteString(" [ " + opt.name)
		if opt.arg != "" {
			b.WriteString(" " + opt.arg)
		}
		b.WriteString(" ]")
	}
	return b.String()
}

// words is the option with what stands for its value, for help.
func (o *Option) words() string {
	if o.no {
		return "[no]" + o.name
	}
	return strings.TrimSpace(o.name + " " + o.arg)
}

// Help lists each option with its help, one a line.
func (o Options) Help() string {
	var b strings.Builder
	width := 0
	for _, opt := range o {
		width = max(width, len(opt.words()))
	}
	for _, opt := range o {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, opt.words(), opt.help)
	}
	return b.String()
}

// Fields are the values in force.
func (o Options) Fields() []Field {
	fs := make([]Field, len(o))
	for i := range o {
		fs[i] = o[i].get()
	}
	return fs
}

// Line prints kind and fields as tc prints a qdisc's options.
func Line(kind string, fields []Field) string {
	words := []string{kind}
	for _, f := range fields {
		switch {
		case f.Hidden || f.Flag && f.Num == 0 || f.Bare && f.Text == "":
		case f.Bare:
			words = append(words, f.Text)
		case f.Flag:
			words = append(words, f.Key)
		default:
			words = append(words, f.Key, f.String())
		}
	}
	return strings.Join(words, " ")
}

// String is the value for people.
func (f Field) String() string {
	if f.Text != "" {
		return f.Text
	}
	return strconv.FormatInt(f.Num, 10)
}
