//go:build chromium

package html

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// browser is a headless Chromium at the other end of two pipes, spoken to in its
// DevTools protocol: JSON messages that end in a zero byte.
type browser struct {
	t       *testing.T
	in      io.Writer
	replies chan message
	next    int
	session string
	// complaints are console errors and warnings, exceptions and refused
	// resources; requests what the page asked for, but for files and data.
	complaints, requests []string
	loaded               bool
}

// message is anything the browser says.
type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

const browserTimeout = 60 * time.Second

// startBrowser runs Chromium for the test, with a page in it.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	toBrowser, in, err1 := os.Pipe()
	out, fromBrowser, err2 := os.Pipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	cmd := exec.Command(chromium(t), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-color-profile=srgb",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{toBrowser, fromBrowser}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toBrowser.Close()
	fromBrowser.Close()
	b := &browser{t: t, in: in, replies: make(chan message, 1024)}
	go b.listen(out)
	t.Cleanup(func() {
		b.call("Browser.close", nil, nil)
		_ = cmd.Wait() // it was asked to go
		in.Close()
	})
	b.openPage()
	return b
}

// chromium is the browser's program.
func chromium(t *testing.T) string {
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium here: run make report-test, which installs Debian's, or name one in CHROMIUM")
	return ""
}

func (b *browser) openPage() {
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var at struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &at)
	b.session = at.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
}

func (b *browser) listen(r io.Reader) {
	defer close(b.replies)
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(text[:len(text)-1], &m) == nil {
			b.replies <- m
		}
	}
}

// call asks the browser for something, and takes note of what else it says
// until it answers.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	b.next++
	m := map[string]any{"id": b.next, "method": method}
	if params != nil {
		m["params"] = params
	}
	if b.session != "" && !strings.HasPrefix(method, "Browser.") && !strings.HasPrefix(method, "Target.") {
		m["sessionId"] = b.session
	}
	text, err := json.Marshal(m)
	if err == nil {
		_, err = b.in.Write(append(text, 0))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.wait(method, func(m message) bool {
		if m.ID != b.next {
			return false
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatalf("%s: %v in %s", method, err, m.Result)
			}
		}
		return true
	})
}

// wait hears the browser out until done says so.
func (b *browser) wait(what string, done func(message) bool) {
	b.t.Helper()
	limit := time.After(browserTimeout)
	for {
		select {
		case m, ok := <-b.replies:
			if !ok {
				if what != "Browser.close" {
					b.t.Fatalf("%s: the browser is gone", what)
				}
				return
			}
			b.note(m)
			if done(m) {
				return
			}
		case <-limit:
			b.t.Fatalf("%s: no answer in %v", what, browserTimeout)
		}
	}
}

// note keeps what must not happen.
func (b *browser) note(m message) {
	var p struct {
		Type             string
		Args             []struct{ Value any }
		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
		Entry   struct{ Level, Text, URL string }
		Request struct{ URL string }
	}
	if m.Method == "" || json.Unmarshal(m.Params, &p) != nil {
		return
	}
	switch m.Method {
	case "Runtime.consoleAPICalled":
		if p.Type == "error" || p.Type == "warning" || p.Type == "assert" {
			b.complaints = append(b.complaints, fmt.Sprint("console: ", p.Args))
		}
	case "Runtime.exceptionThrown":
		b.complaints = append(b.complaints, "exception: "+p.ExceptionDetails.Text+" "+p.ExceptionDetails.Exception.Description)
	case "Log.entryAdded":
		if p.Entry.Level == "error" || p.Entry.Level == "warning" {
			b.complaints = append(b.complaints, "log: "+p.Entry.Text+" "+p.Entry.URL)
		}
	case "Page.javascriptDialogOpening":
		b.complaints = append(b.complaints, "a dialog opened")
	case "Network.requestWillBeSent":
		if u := p.Request.URL; !strings.HasPrefix(u, "file:") && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:") && u != "about:blank" {
			b.requests = append(b.requests, u)
		}
	case "Page.loadEventFired":
		b.loaded = true
	}
}

// open loads a page, and says how long that took until its charts were on the
// screen.
func (b *browser) open(path string) time.Duration {
	b.t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		b.t.Fatal(err)
	}
	b.loaded = false
	began := time.Now()
	b.call("Page.navigate", map[string]any{"url": "file://" + abs}, nil)
	if !b.loaded {
		b.wait("load "+path, func(message) bool { return b.loaded })
	}
	b.eval(`new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(1))))`, nil)
	return time.Since(began)
}

// eval runs an expression in the page and reads its value, which may be a
// promise.
func (b *browser) eval(js string, into any) {
	b.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	b.call("Runtime.evaluate", map[string]any{"expression": js, "returnByValue": true, "awaitPromise": true, "userGesture": true}, &r)
	if e := r.ExceptionDetails; e != nil {
		b.t.Fatalf("%s: %s %s", js, e.Text, e.Exception.Description)
	}
	if into != nil {
		if err := json.Unmarshal(r.Result.Value, into); err != nil {
			b.t.Fatalf("%s: %v in %s", js, err, r.Result.Value)
		}
	}
}

// screen sets the size of the screen, and whether the system is dark.
func (b *browser) screen(width, height int, phone, dark bool) {
	b.t.Helper()
	scale := 1
	if phone {
		scale = 2
	}
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone}, nil)
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	b.eval(`new Promise(r => setTimeout(() => requestAnimationFrame(() => r(1)), 300))`, nil)
}

// mouse moves or presses the mouse.
func (b *browser) mouse(kind string, x, y float64) {
	b.t.Helper()
	p := map[string]any{"type": kind, "x": x, "y": y, "button": "none"}
	if kind != "mouseMoved" {
		p["button"], p["clickCount"] = "left", 1
	}
	b.call("Input.dispatchMouseEvent", p, nil)
}

func (b *browser) key(name string) {
	b.t.Helper()
	text := ""
	if name == "Enter" {
		text = "\r"
	}
	for _, kind := range []string{"keyDown", "keyUp"} {
		b.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": name, "code": name, "text": text, "windowsVirtualKeyCode": map[string]int{"Enter": 13, "Tab": 9}[name]}, nil)
	}
}

// shoot keeps a picture of the whole page for people, where UQ_SHOTS names a
// directory.
func (b *browser) shoot(name string) {
	b.t.Helper()
	dir := os.Getenv("UQ_SHOTS")
	if dir == "" {
		return
	}
	var size struct {
		CSSContentSize struct{ Width, Height float64 }
	}
	b.call("Page.getLayoutMetrics", nil, &size)
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true, "clip": map[string]any{
		"x": 0, "y": 0, "width": size.CSSContentSize.Width, "height": size.CSSContentSize.Height, "scale": 1}}, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), data, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// quiet fails the test for anything the page should not have done.
func (b *browser) quiet() {
	b.t.Helper()
	for _, c := range b.complaints {
		b.t.Error(c)
	}
	for _, r := range b.requests {
		b.t.Errorf("the page asked for %s", r)
	}
}
