package traces

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/uqtool/uq/sim/pkt"
)

// textField prints and parses one field of a record.
type textField struct {
	print func(b []byte, r *Record) []byte
	parse func(s string, r *Record) error
}

func parseUint(s string, bits int) (uint64, error) {
	v, err := strconv.ParseUint(s, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("want a number below 2^%d", bits)
	}
	return v, nil
}

func parseHex(s string, bits int) (uint64, error) {
	digits, ok := strings.CutPrefix(s, "0x")
	v, err := strconv.ParseUint(digits, 16, bits)
	if err != nil || !ok {
		return 0, fmt.Errorf("want 0x and a hexadecimal number of %d bits", bits)
	}
	return v, nil
}

// parseTime is the inverse of pkt.Time.Append for times in range.
func parseTime(s string) (pkt.Time, error) {
	bad := fmt.Errorf("want seconds with up to 9 decimals, at most %d", MaxTime/1e9)
	digits, negative := strings.CutPrefix(s, "-")
	whole, frac, _ := strings.Cut(digits, ".")
	if len(frac) > 9 || strings.HasSuffix(digits, ".") {
		return 0, bad
	}
	sec, err := strconv.ParseUint(whole, 10, 32)
	ns, err2 := strconv.ParseUint((frac + "000000000")[:9], 10, 32)
	if err != nil || err2 != nil {
		return 0, bad
	}
	t := pkt.Time(sec*1e9 + ns)
	if negative {
		t = -t
	}
	if outOfRange(t) {
		return 0, bad
	}
	return t, nil
}

func textTime(field func(*Record) *pkt.Time) textField {
	return textField{
		print: func(b []byte, r *Record) []byte {
			if t := *field(r); t != NoTime {
				return t.Append(b)
			}
			return append(b, "never"...)
		},
		parse: func(s string, r *Record) (err error) {
			if s == "never" {
				*field(r) = NoTime
				return nil
			}
			*field(r), err = parseTime(s)
			return err
		},
	}
}

func textUint[T uint16 | uint32](field func(*Record) *T) textField {
	return textField{
		print: func(b []byte, r *Record) []byte { return strconv.AppendUint(b, uint64(*field(r)), 10) },
		parse: func(s string, r *Record) error {
			v, err := parseUint(s, width(T(0)))
			*field(r) = T(v)
			return err
		},
	}
}

func textHex[T uint8 | uint16 | uint32](field func(*Record) *T) textField {
	return textField{
		print: func(b []byte, r *Record) []byte {
			return strconv.AppendUint(append(b, "0x"...), uint64(*field(r)), 16)
		},
		parse: func(s string, r *Record) error {
			v, err := parseHex(s, width(T(0)))
			*field(r) = T(v)
			return err
		},
	}
}

// width is the number of bits of v's type.
func width[T uint8 | uint16 | uint32](v T) int {
	switch any(v).(type) {
	case uint8:
		return 8
	case uint16:
		return 16
	}
	return 32
}

// textFlow writes a flow as pkt.FlowKey.String does, with a comma for its space.
func textFlow() textField {
	return textField{
		print: func(b []byte, r *Record) []byte {
			return append(b, strings.Replace(r.Flow.String(), " ", ",", 1)...)
		},
		parse: func(s string, r *Record) (err error) {
			r.Flow, err = pkt.ParseFlowKey(strings.Replace(s, ",", " ", 1))
			return err
		},
	}
}

var infoNames = [...]struct {
	bit  Info
	name string
}{
	{GSO, "gso"}, {CsumNotReady, "csum_not_ready"}, {CsumNotVerified, "csum_not_verified"},
	{Fragment, "fragment"}, {Truncated, "truncated"}, {Undecoded, "undecoded"}, {SegsEstimated, "segs_estimated"},
	{Gone, "gone"}, {Copied, "copied"}, {Corrupted, "corrupted"},
}

// String joins the remarks' names with |; unknown bits are one hex number.
func (i Info) String() string {
	var s []string
	for _, n := range infoNames {
		if i&n.bit != 0 {
			s = append(s, n.name)
			i &^= n.bit
		}
	}
	if i != 0 {
		s = append(s, fmt.Sprintf("%#x", uint16(i)))
	}
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, "|")
}

func parseInfo(s string) (Info, error) {
	var info Info
	if s == "none" {
		return 0, nil
	}
next:
	for part := range strings.SplitSeq(s, "|") {
		for _, n := range infoNames {
			if n.name == part {
				info |= n.bit
				continue next
			}
		}
		v, err := parseHex(part, 16)
		if err != nil {
			return 0, errors.New("want remarks such as gso or a hexadecimal number, joined by |")
		}
		info |= Info(v)
	}
	return info, nil
}

func textInfo() textField {
	return textField{
		print: func(b []byte, r *Record) []byte { return append(b, r.Info.String()...) },
		parse: func(s string, r *Record) (err error) {
			r.Info, err = parseInfo(s)
			return err
		},
	}
}

var hookNames = [...]string{"prerouting", "input", "forward", "output", "postrouting"}

// String writes the path as HOOK,IN,OUT with netfilter's name of the hook.
func (p Path) String() string {
	hook := strconv.Itoa(int(p.Hook))
	if int(p.Hook) < len(hookNames) {
		hook = hookNames[p.Hook]
	}
	return fmt.Sprintf("%s,%d,%d", hook, p.InDev, p.OutDev)
}

func parsePath(s string) (Path, error) {
	bad := errors.New("want HOOK,IN,OUT: a netfilter hook and two interface indexes")
	f := strings.Split(s, ",")
	if len(f) != 3 {
		return Path{}, bad
	}
	hook, err := parseUint(f[0], 8)
	for i, n := range hookNames {
		if n == f[0] {
			hook, err = uint64(i), nil
		}
	}
	in, err2 := parseUint(f[1], 32)
	out, err3 := parseUint(f[2], 32)
	if err != nil || err2 != nil || err3 != nil {
		return Path{}, bad
	}
	return Path{Hook: uint8(hook), InDev: uint32(in), OutDev: uint32(out)}, nil
}

func textPath() textField {
	return textField{
		print: func(b []byte, r *Record) []byte { return append(b, r.Path.String()...) },
		parse: func(s string, r *Record) (err error) {
			r.Path, err = parsePath(s)
			return err
		},
	}
}

func textVerdict() textField {
	return textField{
		print: func(b []byte, r *Record) []byte { return append(b, r.Verdict.String()...) },
		parse: func(s string, r *Record) (err error) {
			r.Verdict, err = ParseVerdict(s)
			return err
		},
	}
}

func textReason() textField {
	return textField{
		print: func(b []byte, r *Record) []byte { return append(b, r.Reason.String()...) },
		parse: func(s string, r *Record) error {
			reason, ok := pkt.ParseReason(s)
			if num, cut := strings.CutPrefix(s, "reason"); !ok && cut {
				v, err := parseUint(num, 8)
				reason = pkt.Reason(v)
				ok = err == nil && reason.String() == s
			}
			if !ok {
				return fmt.Errorf("want none or one of %v", pkt.Reasons())
			}
			r.Reason = reason
			return nil
		},
	}
}
