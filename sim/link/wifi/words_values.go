package wifi

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// addresses reads "10.0.0.2,fd00::/64", or "any" for all that no station has.
func (s *Station) addresses(text string) error {
	if text == "any" {
		return nil
	}
	for a := range strings.SplitSeq(text, ",") {
		p, err := netip.ParsePrefix(a)
		if addr, aerr := netip.ParseAddr(a); aerr == nil && addr.Zone() == "" {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		switch {
		case err != nil:
			return fmt.Errorf("want IPv4 or IPv6 addresses or prefixes with commas between them, for example 10.0.0.2,fd00::/64, or any")
		case p != p.Masked():
			return fmt.Errorf("%s has bits beyond its length: write %s", p, p.Masked())
		case group(p):
			return fmt.Errorf("%s is a group's: what is for it goes to all stations, at the basic rate: leave it out", a)
		case !s.Addr.IsValid() && p.IsSingleIP():
			s.Addr = p.Addr()
		default:
			s.Prefixes = append(s.Prefixes, p)
		}
	}
	return nil
}

// group says whether all of p is multicast or broadcast, which no station has.
func group(p netip.Prefix) bool {
	most := 4 // 224.0.0.0/4
	if p.Addr().Is6() {
		most = 8 // ff00::/8
	}
	return p.Addr().IsMulticast() && p.Bits() >= most || p == netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), 32)
}

// name prints the addresses.
func (s *Station) name() string {
	var names []string
	if s.Addr.IsValid() {
		names = append(names, s.Addr.String())
	}
	for _, p := range s.Prefixes {
		if p.IsSingleIP() {
			names = append(names, p.Addr().String())
		} else {
			names = append(names, p.String())
		}
	}
	if names == nil {
		return "any"
	}
	return strings.Join(names, ",")
}

// same says whether both stations have an address, or the same prefix.
func (s *Station) same(t *Station) bool {
	if s.anyone() || t.anyone() {
		return s.anyone() && t.anyone()
	}
	return slices.ContainsFunc(s.all(), func(p netip.Prefix) bool { return slices.Contains(t.all(), p) })
}

func (s *Station) all() []netip.Prefix {
	if !s.Addr.IsValid() {
		return s.Prefixes
	}
	return append(slices.Clone(s.Prefixes), netip.PrefixFrom(s.Addr, s.Addr.BitLen()))
}

// size is a number of bytes printed with every digit, 0 for none.
func size(name string, v *int, max int, help string) tc.Option {
	return tc.Size(name, v, 1, max, help).Shown(func(f tc.Field) tc.Field {
		f.Text, f.Hidden = strconv.Itoa(*v)+"b", *v == 0
		return f
	})
}

// none leaves an option out of the line while v is 0.
func none[T comparable](o tc.Option, v *T) tc.Option {
	var zero T
	return o.HiddenIf(func() bool { return *v == zero })
}

// categories are the access categories by name.
var categories = []string{pkt.ACBK: "bk", pkt.ACBE: "be", pkt.ACVI: "vi", pkt.ACVO: "vo"}

func readCategory(words []string) (pkt.AC, error) {
	if len(words) > 0 {
		if ac := slices.Index(categories, words[0]); ac >= 0 {
			return pkt.AC(ac), nil
		}
	}
	return 0, fmt.Errorf("want a category first: bk, be, vi or vo")
}

// maxSlots and maxTXOP bound EDCA's parameters: what a beacon can say.
const (
	maxSlots = 32767
	maxAIFSN = 15
	maxTXOP  = 65535 * 32 * time.Microsecond
)

// options are an access category's parameters.
func (p *Params) options() tc.Options {
	return tc.Options{
		tc.Count("aifsn", &p.AIFSN, 1, maxAIFSN, "", ""),
		tc.Count("cwmin", &p.CWMin, 0, maxSlots, "", ""),
		tc.Count("cwmax", &p.CWMax, 0, maxSlots, "", ""),
		none(link.Span("txop", &p.TXOP, maxTXOP, ""), &p.TXOP),
	}
}

// edca is an option that sets parameters of one category at a time.
func edca(name, help string, all *[pkt.NumACs]Params) tc.Option {
	read := func(words []string) (int, error) {
		ac, err := readCategory(words)
		if err != nil {
			return 0, err
		}
		p, used := &all[ac], 1
		if len(words) > 1 && words[1] == "dcf" {
			*p = DCF()
			return 2, nil
		}
		for used+1 < len(words) && p.options().Knows(words[used]) {
			if err := p.options().Parse(name, words[used:used+2]); err != nil {
				return 0, err
			}
			used += 2
		}
		switch {
		case used == 1:
			return 0, fmt.Errorf("want %s CATEGORY and dcf, or of aifsn, cwmin, cwmax and txop those that change", name)
		case p.CWMax < p.CWMin:
			return 0, fmt.Errorf("cwmax %d is less than cwmin %d", p.CWMax, p.CWMin)
		}
		return used, nil
	}
	return tc.Values(name, "AC NAME VALUE ...", help, read, func() tc.Field {
		var texts []string
		for ac, p := range all {
			switch {
			case p == DCF():
				texts = append(texts, categories[ac]+" dcf")
			case p != DefaultParams()[ac]:
				texts = append(texts, tc.Line(categories[ac], p.options().Fields()))
			}
		}
		return tc.Field{Key: name, Text: strings.Join(texts, " "+name+" "), Hidden: texts == nil}
	})
}

// lingers is how long a station stays awake. In no time at all it would receive
// nothing of what waits for it.
func (s *member) lingers() tc.Option {
	return tc.Values("linger", "TIME", "how long it stays awake after a frame (100ms)", func(words []string) (int, error) {
		if len(words) == 0 {
			return 0, fmt.Errorf("want a TIME, for example 50ms")
		}
		d, err := tc.ParseTime(words[0])
		if err == nil && (d < us || d > time.Hour) {
			err = fmt.Errorf("%q: want 1us to 1h, 100ms without the word", words[0])
		}
		s.Linger = d
		return 1, err
	}, func() tc.Field {
		return tc.Field{Key: "linger", Num: int64(s.Linger / us), Text: link.SpanText(s.Linger), Hidden: s.Linger == 0}
	})
}

// sends is a station's own traffic: "be 1500b", "vo 200b 20ms".
func (s *member) sends() tc.Option {
	return tc.Values("sends", "AC SIZE [ TIME ]", "traffic of its own: a packet of SIZE each TIME, or always one more", func(words []string) (int, error) {
		ac, err := readCategory(words)
		if err != nil {
			return 0, err
		}
		if len(words) < 2 {
			return 0, fmt.Errorf("want the SIZE of a packet after the category, for example 1500")
		}
		n, err := tc.ParseSize(words[1])
		if err != nil || n < 20 || n > 65535 {
			return 0, fmt.Errorf("%q: want the SIZE of a packet, 20 to 65535 bytes", words[1])
		}
		s.Uplink = &Uplink{AC: ac, Bytes: int(n)}
		if len(words) < 3 {
			return 2, nil
		}
		gap, err := tc.ParseTime(words[2])
		if err != nil {
			return 2, nil // another word
		}
		if s.Uplink.Gap = gap; gap < us || gap > time.Hour {
			return 0, fmt.Errorf("%q: want the TIME between packets, 1us or more; without it there is always one more", words[2])
		}
		return 3, nil
	}, func() tc.Field {
		u := s.Uplink
		if u == nil {
			return tc.Field{Key: "sends", Hidden: true}
		}
		text := fmt.Sprintf("%s %db", categories[u.AC], u.Bytes)
		if u.Gap > 0 {
			text += " " + link.SpanText(u.Gap)
		}
		return tc.Field{Key: "sends", Text: text}
	})
}
