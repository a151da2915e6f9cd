package metric

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// Flows are names for selectors of flows, as a scenario defines them.
type Flows map[string]string

// selectorHelp is what a selector may look like.
const selectorHelp = `PROTO, ADDRESS, PREFIX, PORT or several of them in this order with colons between, for example udp, udp:5201, 10.0.1.2, tcp:10.0.0.0/8:80; SOURCE>DESTINATION; or a flow as the report prints it`

// Names checks the names and what they stand for.
func (f Flows) Names() ([]string, error) {
	var names []string
	for n := range f {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		if err := f.check(n); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func (f Flows) check(name string) error {
	if !isName(name) {
		return fmt.Errorf("flow %q: a name has letters, digits, _ and -", name)
	}
	if _, err := parseSelector(name); err == nil {
		return fmt.Errorf("flow %q: a selector by itself: choose another name", name)
	}
	if _, err := parseSelector(f[name]); err != nil {
		return fmt.Errorf("flow %s: %w", name, err)
	}
	return nil
}

// Define adds a name as a flag has it, NAME=SELECTOR.
func (f Flows) Define(s string) error {
	name, selector, ok := strings.Cut(s, "=")
	if name, selector = strings.TrimSpace(name), strings.TrimSpace(selector); !ok {
		return fmt.Errorf("want NAME=SELECTOR, for example voip=udp:5201")
	}
	if old, ok := f[name]; ok {
		return fmt.Errorf("%s is %s already", name, old)
	}
	f[name] = selector
	return f.check(name)
}

// selector reads what stands in flow(...): a name of f, or a selector.
func (f Flows) selector(s string) (selector, error) {
	if t, ok := f[s]; ok {
		s = t
	}
	sel, err := parseSelector(s)
	if err != nil && isName(s) {
		var names []string
		for n := range f {
			names = append(names, n)
		}
		slices.Sort(names)
		if like := tc.Nearest(s, names); like != "" {
			return nil, fmt.Errorf("no flows are named %q: did you mean %s?", s, like)
		}
		return nil, fmt.Errorf("%w; or name them: --flow %s=udp:5201, in a scenario [flows]", err, s)
	}
	return sel, err
}

// isName says whether s can be a name of flows.
func isName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}

// selector matches the flows that one of its patterns matches.
type selector []pattern

func (s selector) match(k *pkt.FlowKey) bool {
	return slices.ContainsFunc(s, func(p pattern) bool { return p.match(k) })
}

// pattern is a protocol, or any, and either one end on whichever side, or both.
type pattern struct {
	proto    uint8
	anyProto bool
	directed bool
	src, dst end
}

// end is a port, or any, at the addresses of a prefix, or any.
type end struct {
	prefix  netip.Prefix
	port    uint16
	anyPort bool
}

func (e end) match(a netip.Addr, port uint16) bool {
	return (!e.prefix.IsValid() || e.prefix.Contains(a)) && (e.anyPort || e.port == port)
}

func (p *pattern) match(k *pkt.FlowKey) bool {
	if !p.anyProto && p.proto != k.Proto {
		return false
	}
	src, dst := k.Addrs()
	if p.directed {
		return p.src.match(src, k.SrcPort) && p.dst.match(dst, k.DstPort)
	}
	return p.src.match(src, k.SrcPort) || p.src.match(dst, k.DstPort)
}

// parseSelector reads patterns with commas between.
func parseSelector(s string) (selector, error) {
	var sel selector
	for _, t := range strings.Split(s, ",") {
		p, err := parsePattern(strings.TrimSpace(t))
		if err != nil {
			return nil, fmt.Errorf("%q selects no flows: %w: want %s", s, err, selectorHelp)
		}
		sel = append(sel, p)
	}
	return sel, nil
}

func parsePattern(s string) (p pattern, err error) {
	if s == "" {
		return p, fmt.Errorf("nothing named")
	}
	ends := p.readProto(s)
	src, dst, directed := strings.Cut(ends, ">")
	p.directed = directed
	if p.src, err = parseEnd(strings.TrimSpace(src)); err != nil {
		return p, err
	}
	p.dst, err = parseEnd(strings.TrimSpace(dst))
	return p, err
}

// readProto takes the protocol off the front of s, if there is one: a name, or
// before a space, as a report has it, a number.
func (p *pattern) readProto(s string) (rest string) {
	i := strings.IndexAny(s, ": ")
	word := s
	if i >= 0 {
		word, rest = s[:i], s[i+1:]
	}
	if n, err := strconv.ParseUint(word, 10, 8); err == nil && i >= 0 && s[i] == ' ' {
		p.proto = uint8(n)
		return rest
	}
	for n := range 256 {
		if pkt.ProtoName(uint8(n)) == word && strings.Trim(word, "0123456789") != "" {
			p.proto = uint8(n)
			return rest
		}
	}
	p.anyProto = true
	return s
}

// parseEnd reads "", ":PORT", PORT, ADDRESS, PREFIX, either with :PORT behind.
func parseEnd(s string) (end, error) {
	if s == "" || s == "*" {
		return end{anyPort: true}, nil
	}
	if port, ok := parsePort(strings.TrimPrefix(s, ":")); ok {
		return end{port: port}, nil
	}
	if pre, ok := parsePrefix(s); ok {
		return end{prefix: pre, anyPort: true}, nil
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return end{}, fmt.Errorf("%q is no protocol, address or port", s)
	}
	pre, ok := parsePrefix(s[:i])
	port, ok2 := parsePort(s[i+1:])
	if !ok || !ok2 {
		return end{}, fmt.Errorf("%q is no address with a port", s)
	}
	return end{prefix: pre, port: port}, nil
}

func parsePort(s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil
}

// parsePrefix reads an address, with brackets or not, or a prefix.
func parsePrefix(s string) (netip.Prefix, bool) {
	if in, ok := strings.CutPrefix(s, "["); ok {
		if s, ok = strings.CutSuffix(in, "]"); !ok {
			return netip.Prefix{}, false
		}
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}
