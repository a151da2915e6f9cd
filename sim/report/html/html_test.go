package html

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/report/series"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
)

var update = flag.Bool("update", false, "write the golden files")

// testPage is the page of so many packets of so many flows, which are more than
// the link carries every other second.
func testPage(t *testing.T, packets, flows int, qdiscs ...string) *Page {
	t.Helper()
	p := &Page{
		Report:  &report.Report{Format: report.Format, Trace: "test", Loop: report.OpenLoop, GSO: "whole", Seed: 1, Link: "rate 100Mbit"},
		Version: "v0.0.0-test", Command: "uq sim test",
		Sections: []Section{{Title: "Trace", Rows: []Row{{Key: "name", Value: "test"}, {Key: "lost", Value: "3 packets", Warn: true}}}},
	}
	var keys []*pkt.Flow
	for i := range flows {
		k := pkt.FlowKey{SrcPort: uint16(10000 + i), DstPort: 443, Proto: pkt.ProtoUDP}
		k.SetAddrs(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"))
		keys = append(keys, pkt.NewFlow(k, uint32(i), 1))
	}
	var all []*series.Series
	for _, qdisc := range qdiscs {
		s := series.New()
		p.Report.Runs, all = append(p.Report.Runs, play(t, packets, qdisc, keys, s)), append(all, s)
	}
	p.Series = series.Align(all)
	return p
}

func play(t *testing.T, packets int, qdisc string, flows []*pkt.Flow, s *series.Series) *report.Run {
	t.Helper()
	c, pool := report.NewCollector(), &pkt.Pool{}
	l, err := link.New("rate 100mbit", link.Env{})
	if err != nil {
		t.Fatal(err)
	}
	port, err := egress.New(func(d sched.DropFunc) (sched.Scheduler, error) { return builtin.New(qdisc, sched.Env{Drop: d}) }, l, egress.Tee(c, s), pool)
	if err != nil {
		t.Fatal(err)
	}
	now := pkt.Time(0)
	for i := range packets {
		p := pool.Get()
		p.ID, p.Arrival, p.Flow = uint64(i), now, flows[(uint64(i)*uint64(i)+uint64(i)/97)%uint64(len(flows))]
		p.Len, p.Segs, p.DSField = 1000, 1, uint8(i%2)
		port.Enqueue(now, p)
		if now += pkt.Time(70 * time.Microsecond); now/1e9%2 == 1 {
			now += pkt.Time(20 * time.Microsecond)
		}
	}
	port.Drain()
	return report.NewRun(port, c, 256)
}

func pageOf(t *testing.T, p *Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// hostile is a name that would like to be a script.
const hostile = `</script><script>window.hacked=1</script><img src=x onerror=alert(1)>'"--><!--`

func hostilePage(t *testing.T) *Page {
	p := testPage(t, 500, 3, "pfifo limit 20", "fq_codel")
	p.Report.Trace, p.Report.Link, p.Command = hostile, hostile, hostile
	p.Report.Notes = []string{hostile}
	for _, r := range p.Report.Runs {
		r.Kind, r.Line = hostile, hostile
		for i := range r.Flows {
			r.Flows[i].Flow = hostile + r.Flows[i].Flow
		}
	}
	p.Sections = []Section{{Title: hostile, Note: hostile, Rows: []Row{{Key: hostile, Value: hostile}}}}
	return p
}

// TestHostile: names stay names, wherever they stand.
func TestHostile(t *testing.T) {
	text := pageOf(t, hostilePage(t))
	if n := strings.Count(strings.ToLower(text), "<script"); n != 2 {
		t.Errorf("%d script elements, want the data and the script", n)
	}
	if strings.Contains(text, "<img") || strings.Contains(text, "</script><script>") {
		t.Error("a name became an element")
	}
	data, _ := cutData(t, text)
	var d struct{ Report report.Report }
	if err := json.Unmarshal([]byte(data), &d); err != nil || d.Report.Trace != hostile {
		t.Errorf("the data's trace is %q, %v", d.Report.Trace, err)
	}
}

// cutData takes the data out of a page.
func cutData(t *testing.T, text string) (data, rest string) {
	t.Helper()
	before, after, ok := strings.Cut(text, `<script type="application/json" id="data">`)
	data, after, ok2 := strings.Cut(after, "</script>")
	if !ok || !ok2 {
		t.Fatal("the page has no data")
	}
	return data, before + after
}

// TestGolden compares the page, without script and style, with the one that a
// reader has looked at.
func TestGolden(t *testing.T) {
	text := pageOf(t, testPage(t, 500, 5, "pfifo limit 50", "fq_codel limit 100"))
	if again := pageOf(t, testPage(t, 500, 5, "pfifo limit 50", "fq_codel limit 100")); again != text {
		t.Error("the same run made another page")
	}
	// What the report itself says in JSON is sim/report's to test.
	for _, cut := range []string{`(?s),"report":.*?</script>`, `(?s)<style>.*?</style>`, `(?s)<script>.*?</script>`, `sha256-[^']*`} {
		text = regexp.MustCompile(cut).ReplaceAllString(text, "")
	}
	const path = "testdata/page.html"
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(text, "\n")); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// TestOffline: the page names no other place, and its policy is about the very
// script and style it has.
func TestOffline(t *testing.T) {
	text := pageOf(t, testPage(t, 300, 3, "codel"))
	for _, bad := range []string{`src="`, `href="`, "@import", "url(http", "fetch(", "XMLHttpRequest", "WebSocket", "sendBeacon"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if strings.Contains(text, ` style="`) || regexp.MustCompile(` on[a-z]+="`).MatchString(text) {
		t.Error("the page has inline styles or handlers, which its policy forbids")
	}
	for element, directive := range map[string]string{"style": "style-src", "script": "script-src"} {
		body := regexp.MustCompile(`(?s)<` + element + `>(.*?)</` + element + `>`).FindStringSubmatch(text)
		if body == nil || !strings.Contains(text, directive+" &#39;"+strings.ReplaceAll(source(body[1]), "+", "&#43;")+"&#39;") {
			t.Errorf("the policy has no %s for the page's %s", directive, element)
		}
	}
	if !strings.Contains(text, "Leon Sorokin") || !strings.Contains(text, "Permission is hereby granted") {
		t.Error("uPlot's licence is not in the page")
	}
}

// TestConstantSize: the page does not grow with the run.
func TestConstantSize(t *testing.T) {
	small, large := len(pageOf(t, testPage(t, 20_000, 40, "codel"))), len(pageOf(t, testPage(t, 200_000, 40, "codel")))
	if large > 2*small {
		t.Errorf("ten times the packets: %d bytes instead of %d", large, small)
	}
}

// TestFew: pages of nothing and of next to nothing.
func TestFew(t *testing.T) {
	for _, packets := range []int{0, 1} {
		text := pageOf(t, testPage(t, packets, 1, "pfifo"))
		if said := strings.Contains(text, "No packet left a queue."); said != (packets == 0) {
			t.Errorf("%d packets: it says that none left: %v", packets, said)
		}
	}
	pageOf(t, &Page{Report: &report.Report{}})
}

// TestWarnings: what went wrong is said at the top, too.
func TestWarnings(t *testing.T) {
	top, _, _ := strings.Cut(pageOf(t, testPage(t, 1, 1, "pfifo")), "</header>")
	if !strings.Contains(top, "Trace: lost: 3 packets") || strings.Contains(top, "Trace: name") {
		t.Errorf("the top of the page says\n%s", top[strings.Index(top, "<h1>"):])
	}
}

func TestLede(t *testing.T) {
	v := 1500.0
	page := func(kinds ...string) *Page {
		p := &Page{Report: &report.Report{}}
		for _, k := range kinds {
			p.Report.Runs = append(p.Report.Runs, &report.Run{Kind: k, ArrivedPackets: 7, Sojourn: report.Quantiles{P99: &v}})
		}
		return p
	}
	for _, c := range []struct {
		p    *Page
		want string
	}{
		{page(), "No packet left a queue."},
		{page("a"), "99 of 100 packets waited no longer than 1.5ms under a."},
		{page("a", "b", "a"), "99 of 100 packets waited no longer than 1.5ms under a#1, 1.5ms under b and 1.5ms under a#2."},
		{page("a", "b", "c", "d", "e", "f"), "6 qdiscs met the same 7 packets."},
	} {
		if got := c.p.lede(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
