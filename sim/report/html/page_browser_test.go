//go:build chromium

package html

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func writePage(t *testing.T, path string, p *Page) string {
	t.Helper()
	text := pageOf(t, p)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return text
}

// TestBrowser opens the page of a million packets and does what a reader would.
func TestBrowser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.html")
	page := writePage(t, path, testPage(t, 1_000_000, 300, "pfifo limit 1000", "fq_codel", "codel ecn"))
	b := startBrowser(t)
	b.screen(1280, 900, false, false)
	took := b.open(path)
	t.Logf("a million packets under three qdiscs: %d bytes, on the screen after %v", len(page), took)
	if took > 10*time.Second {
		t.Errorf("opening took %v", took)
	}
	// How long the page's own work kept the reader from it.
	var busy float64
	b.eval(`(() => { const n = performance.getEntriesByType('navigation')[0]; return n.domComplete - n.responseEnd; })()`, &busy)
	t.Logf("of that %.0f ms from the last byte to complete", busy)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *browser)
	}{{"charts", testCharts}, {"table", testTable}, {"zoom", testZoom}, {"pointer", testPointer}, {"view", testView}, {"data", testData}, {"screens", testScreens}, {"print", testPrint}, {"tap", testTap}} {
		t.Run(c.name, func(t *testing.T) { b.t = t; c.run(t, b); b.t = t })
	}
	b.t = t
	b.quiet()
}

// inked counts the colours of a chart's pixels and how many pixels have one.
const inked = `(id => {
  const c = document.querySelector('#' + id + ' canvas'), p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  const seen = new Set(); let n = 0;
  for (let i = 0; i < p.length; i += 4) if (p[i + 3] > 40) { n++; seen.add((p[i] >> 4) * 256 + (p[i + 1] >> 4) * 16 + (p[i + 2] >> 4)); }
  return [n, seen.size, c.width];
})`

func testCharts(t *testing.T, b *browser) {
	for _, id := range []string{"sojourn", "ticks", "queue", "throughput", "cdf"} {
		var ink [3]int
		b.eval(inked+`("`+id+`")`, &ink)
		if ink[0] < 1000 || ink[1] < 5 || ink[2] < 300 {
			t.Errorf("chart %s: %d pixels in %d colours on %d columns: is it blank?", id, ink[0], ink[1], ink[2])
		}
	}
	var figures int
	b.eval(`document.querySelectorAll('figure .wide svg').length`, &figures)
	if figures != 3 {
		t.Errorf("%d figures, want 3", figures)
	}
	var fills []string // the page's colours reached the figures
	b.eval(`[...document.querySelectorAll('figure .wide svg rect[stroke^="var(--c"]')].map(r => getComputedStyle(r).stroke)`, &fills)
	for _, f := range fills {
		if !strings.HasPrefix(f, "rgb") {
			t.Errorf("a box's outline is %q", f)
		}
	}
	if len(fills) == 0 {
		t.Error("no boxes")
	}
}

// column reads the shown cells of a column of the table of flows.
const column = `(i => [...document.querySelectorAll('#flows tbody tr')].filter(r => !r.hidden).map(r => r.cells[i].dataset.v))`

func testTable(t *testing.T, b *browser) {
	var order []string
	var state string
	b.eval(`document.querySelectorAll('#flows th button')[1].focus()`, nil)
	b.key("Enter")
	b.eval(column+`(1)`, &order)
	if len(order) != 256 || !descending(order) {
		t.Errorf("sorted by arrived: %d rows, %v ...", len(order), order[:min(len(order), 9)])
	}
	b.key("Enter")
	b.eval(`document.querySelectorAll('#flows th[aria-sort]')[1].getAttribute('aria-sort')`, &state)
	if b.eval(column+`(1)`, &order); state != "ascending" || descending(order) {
		t.Errorf("sorted again: %s, %v ...", state, order[:9])
	}
	b.eval(`document.getElementById('search').focus()`, nil)
	b.call("Input.insertText", map[string]any{"text": "UDP :10000>"}, nil)
	b.eval(column+`(0)`, &order)
	if len(order) != 1 || !strings.Contains(order[0], ":10000>") {
		t.Errorf("found %q", order)
	}
	if b.eval(`document.getElementById('found').textContent`, &state); state != "1 of 300 flows" {
		t.Errorf("it says %q", state)
	}
	b.eval(`(() => { const s = document.getElementById('search'); s.value = ''; s.dispatchEvent(new Event('input')); })()`, nil)
	if b.eval(column+`(0)`, &order); len(order) != 256 {
		t.Errorf("%d rows after the search", len(order))
	}
}

func descending(vs []string) bool {
	for i := 1; i < len(vs); i++ {
		if len(vs[i]) > len(vs[i-1]) || len(vs[i]) == len(vs[i-1]) && vs[i] > vs[i-1] { // as numbers
			return false
		}
	}
	return true
}

// middle is the place of a chart on the screen.
func middle(b *browser, id string) (x, y, w float64) {
	var box [3]float64
	b.eval(`(() => { const o = document.querySelector('#`+id+` .u-over'); o.scrollIntoView({block: 'center'}); const r = o.getBoundingClientRect(); return [r.left, r.top + r.height / 2, r.width]; })()`, &box)
	return box[0], box[1], box[2]
}

// spans are the parts of the run that the charts over time show, in s.
const spans = `window.uqReport.charts().filter(c => c.time).map(c => c.u.scales.x.max - c.u.scales.x.min)`

func testZoom(t *testing.T, b *browser) {
	var before, after, reset []float64
	b.eval(spans, &before)
	x, y, w := middle(b, "queue")
	b.mouse("mouseMoved", x+w*0.25, y)
	b.mouse("mousePressed", x+w*0.25, y)
	b.mouse("mouseMoved", x+w*0.5, y)
	b.mouse("mouseReleased", x+w*0.5, y)
	b.eval(`new Promise(r => requestAnimationFrame(() => r(1)))`, nil)
	b.eval(spans, &after)
	for i := range after {
		if f := after[i] / before[i]; f < 0.2 || f > 0.3 {
			t.Errorf("chart %d shows %.3f of the run after a quarter was chosen", i, f)
		}
	}
	b.eval(`document.getElementById('reset').click()`, nil)
	b.eval(`new Promise(r => requestAnimationFrame(() => r(1)))`, nil)
	b.eval(spans, &reset)
	for i := range reset {
		if reset[i] < before[i]*0.99 {
			t.Errorf("chart %d shows %v s of %v", i, reset[i], before[i])
		}
	}
}

func testPointer(t *testing.T, b *browser) {
	for id, want := range map[string]string{"sojourn": "p99", "queue": "packets", "throughput": "Mbit", "cdf": "%"} {
		x, y, w := middle(b, id)
		b.mouse("mouseMoved", x+w*0.4, y)
		b.mouse("mouseMoved", x+w*0.5, y)
		var said string
		b.eval(`new Promise(r => requestAnimationFrame(() => r((e => getComputedStyle(e).display === 'block' ? e.textContent : '')(document.querySelector('#`+id+` .tip')))))`, &said)
		if !strings.Contains(said, want) || !strings.Contains(said, "fq_codel") {
			t.Errorf("%s says %q beside the pointer", id, said)
		}
	}
}

func testView(t *testing.T, b *browser) {
	choose := func(view string) (n int) {
		b.eval(`(() => { const v = document.getElementById('view'); v.value = '`+view+`'; v.dispatchEvent(new Event('change')); return document.querySelectorAll('#legend button').length; })()`, &n)
		return n
	}
	if n := choose("1"); n != pageFlows+1 {
		t.Errorf("%d lines for flows, want %d", n, pageFlows+1)
	}
	testCharts(t, b)
	b.shoot("flows")
	var lines [2]int
	b.eval(`(() => { const n = () => window.uqReport.charts()[0].u.series.length, a = n(); document.querySelector('#legend button').click(); return [a, n()]; })()`, &lines)
	if lines[1] != lines[0]-1 {
		t.Errorf("hiding a flow left %d of %d lines", lines[1], lines[0])
	}
	for _, button := range []string{"log", "tail", "tail", "log"} {
		b.eval(`document.getElementById('`+button+`').click()`, nil)
	}
	if n := choose("qdiscs"); n != 3 {
		t.Errorf("%d lines for qdiscs", n)
	}
	testCharts(t, b)
}

// testData downloads a file, and checks the sums of what the page gives away.
func testData(t *testing.T, b *browser) {
	dir := t.TempDir()
	b.call("Browser.setDownloadBehavior", map[string]any{"behavior": "allow", "downloadPath": dir}, nil)
	b.eval(`document.querySelector('[data-save=distribution]').click()`, nil)
	var text []byte
	for range 100 {
		if text, _ = os.ReadFile(filepath.Join(dir, "uq-distribution.csv")); len(text) > 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !strings.HasPrefix(string(text), "qdisc,flow,percentile,sojourn_us\npfifo limit 1000p,,0,") {
		t.Errorf("downloaded %.80q", text)
	}
	var sums [3]uint64
	b.eval(`(() => {
  const [, , csv] = window.uqReport.fileOf('series'), rows = csv.trim().split('\n').slice(1).map(r => r.split(','));
  const report = JSON.parse(window.uqReport.fileOf('report')[2]);
  const drops = flows => rows.filter(r => (r[2] !== '') === flows).reduce((n, r) => n + Number(r[11]), 0);
  return [report.qdiscs.reduce((n, q) => n + q.drops, 0), drops(false), drops(true)];
})()`, &sums)
	if sums[0] == 0 || sums[1] != sums[0] || sums[2] != sums[0] {
		t.Errorf("drops: %d in the report, %d in the series, %d in those of flows", sums[0], sums[1], sums[2])
	}
}

// testScreens looks at the page on several screens: nothing may stick out.
func testScreens(t *testing.T, b *browser) {
	for _, s := range []struct {
		name          string
		width, height int
		phone, dark   bool
	}{{"light", 1280, 900, false, false}, {"dark", 1280, 900, false, true}, {"phone", 390, 844, true, false}, {"phone-dark", 360, 740, true, true}} {
		b.screen(s.width, s.height, s.phone, s.dark)
		var wide int
		b.eval(`document.documentElement.scrollWidth`, &wide)
		if wide > s.width {
			t.Errorf("%s: the page is %d pixels wide on a screen of %d", s.name, wide, s.width)
		}
		testInk(t, b, s.name)
		b.shoot(s.name)
	}
}

// testPrint: on paper there are no buttons, and the table of flows is whole.
func testPrint(t *testing.T, b *browser) {
	b.call("Emulation.setEmulatedMedia", map[string]any{"media": "print"}, nil)
	var got [2]bool
	b.eval(`[getComputedStyle(document.getElementById('bar')).display === 'none', (e => e.scrollHeight <= e.clientHeight + 1)(document.querySelector('.tall'))]`, &got)
	if !got[0] || !got[1] {
		t.Errorf("on paper: no buttons %v, whole table %v", got[0], got[1])
	}
	b.shoot("print")
	b.call("Emulation.setEmulatedMedia", map[string]any{"media": ""}, nil)
}

// testTap: a finger does what a pointer does.
func testTap(t *testing.T, b *browser) {
	b.screen(390, 844, true, false)
	b.call("Emulation.setTouchEmulationEnabled", map[string]any{"enabled": true}, nil)
	x, y, w := middle(b, "queue")
	b.call("Input.synthesizeTapGesture", map[string]any{"x": x + w/2, "y": y}, nil)
	var said string
	b.eval(`new Promise(r => setTimeout(() => r((e => getComputedStyle(e).display === 'block' ? e.textContent : '')(document.querySelector('#queue .tip'))), 200))`, &said)
	if !strings.Contains(said, "packets") {
		t.Errorf("after a tap the queue's chart says %q", said)
	}
	b.call("Emulation.setTouchEmulationEnabled", map[string]any{"enabled": false}, nil)
}

// testInk checks that charts follow the screen's width.
func testInk(t *testing.T, b *browser, name string) {
	var sizes [][2]float64
	b.eval(`window.uqReport.charts().map(c => [c.u.root.getBoundingClientRect().width, document.getElementById(c.id).clientWidth])`, &sizes)
	for i, s := range sizes {
		if s[0] > s[1]+1 || s[0] < s[1]*0.9 {
			t.Errorf("%s: chart %d is %v wide in a place of %v", name, i, s[0], s[1])
		}
	}
}

// TestBrowserFew opens pages of next to nothing, and of spans beyond reason, and
// tries every button.
func TestBrowserFew(t *testing.T) {
	long := testPage(t, 40, 3, "pfifo")
	long.Series[0].Start, long.Series[0].Width = 1<<61, 1<<51
	for name, p := range map[string]*Page{"nothing": testPage(t, 0, 1, "pfifo", "fq_codel"), "one packet": testPage(t, 1, 1, "codel"), "no qdisc": testPage(t, 0, 1), "ages": long} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "few.html")
			writePage(t, path, p)
			b := startBrowser(t)
			b.open(path)
			b.eval(`(() => { for (const e of document.querySelectorAll('button:not([data-save])')) { e.click(); e.click(); } const v = document.getElementById('view'); for (const o of v.options) { v.value = o.value; v.dispatchEvent(new Event('change')); } })()`, nil)
			var drawn string
			if b.eval(`document.documentElement.dataset.drawn`, &drawn); drawn != "5" {
				t.Errorf("%q charts", drawn)
			}
			b.quiet()
		})
	}
}

// TestBrowserHostile has names that try to be more than names.
func TestBrowserHostile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hostile.html")
	writePage(t, path, hostilePage(t))
	b := startBrowser(t)
	b.open(path)
	var got struct {
		H1, Drawn, Row string
		Hacked         bool
		Images         int
	}
	b.eval(`({H1: document.querySelector('h1').textContent, Drawn: document.documentElement.dataset.drawn, Row: document.querySelector('.rows dd').textContent,
  Hacked: 'hacked' in window, Images: document.images.length})`, &got)
	if got.H1 != hostile || got.Row != hostile || got.Drawn != "5" || got.Hacked || got.Images != 0 {
		t.Errorf("the page has %+v", got)
	}
	b.quiet()
}
