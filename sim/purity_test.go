package sim_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// forbidden imports anywhere under sim, with what to do instead.
var forbidden = map[string]string{
	"net":           "schedulers see pkt.Packet, not sockets (net/netip is fine)",
	"os":            "readers and writers are passed in",
	"syscall":       "the kernel is record's and replay's business",
	"unsafe":        "plain Go is fast enough",
	"sync":          "a port has one driver",
	"context":       "the driver stops driving",
	"math/rand":     "use random.Stream",
	"math/rand/v2":  "use random.Stream",
	"hash/maphash":  "its seed differs from run to run",
	"log":           "events go to a Sink",
	"runtime":       "nothing depends on the machine",
	"runtime/debug": "nothing depends on the machine",
}

// mayRandom is where Stream is made, and the tests' helper.
var mayRandom = map[string]bool{"random/random.go": true, "sched/schedtest/schedtest.go": true}

// deciding are the packages whose code decides; there floats and ranging over
// maps are out as well.
var deciding = []string{"pkt", "sched", "link", "egress"}

// TestPurity holds everything under sim to the rules of doc.go: no clock, no
// goroutine, no I/O, nothing that differs between runs or architectures.
func TestPurity(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		for _, v := range violations(t, filepath.ToSlash(path), nil) {
			t.Error(v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 15 {
		t.Errorf("only %d files checked: is the test in the right folder?", files)
	}
}

// TestPurityCatches makes sure the check can fail.
func TestPurityCatches(t *testing.T) {
	for src, want := range map[string]string{
		`import "os"`:                               "imports os",
		`import "github.com/google/gopacket"`:       "imports github.com/google/gopacket",
		`import "github.com/uqtool/uq/traces"`:      "imports github.com/uqtool/uq/traces",
		`import "time"; var _ = time.Now`:           "time.Now",
		`func f() { go f() }`:                       "goroutine",
		`var c chan int`:                            "channel",
		`func f() { x := 1.5; _ = x }`:              "float",
		`func f(a int) { _ = float64(a) }`:          "float",
		`func f(m map[int]int) { for range m { } }`: "ranges over a map",
		`type t struct{ m map[int]int }; func (x *t) f() { for k := range x.m { _ = k } }`: "ranges over a map",
	} {
		found := violations(t, "sched/x.go", "package x\n"+src)
		if len(found) == 0 || !strings.Contains(strings.Join(found, "\n"), want) {
			t.Errorf("%s: found %q, want %q", src, found, want)
		}
	}
}

func violations(t *testing.T, path string, src any) []string {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	bad := func(n ast.Node, what string) {
		out = append(out, fset.Position(n.Pos()).String()+": "+what)
	}
	for _, imp := range f.Imports {
		checkImport(imp, path, bad)
	}
	decides := false
	for _, d := range deciding {
		decides = decides || strings.HasPrefix(path, d+"/")
	}
	maps := mapNames(f)
	ast.Inspect(f, func(n ast.Node) bool {
		checkNode(n, decides, maps, bad)
		return true
	})
	return out
}

func checkImport(imp *ast.ImportSpec, path string, bad func(ast.Node, string)) {
	name, _ := strconv.Unquote(imp.Path.Value)
	way, no := forbidden[name]
	if no && !(strings.HasPrefix(name, "math/rand") && mayRandom[path]) {
		bad(imp, "imports "+name+": "+way)
	}
	const module = "github.com/uqtool/uq/"
	switch {
	case strings.HasPrefix(name, module) && !strings.HasPrefix(name, module+"sim"):
		bad(imp, "imports "+name+": sim depends on nothing above it")
	case strings.Contains(name, "gopacket") || strings.Contains(name, "nfqueue") || strings.Contains(name, "netlink"):
		bad(imp, "imports "+name+": packets are decoded before they get here")
	}
}

func checkNode(n ast.Node, decides bool, maps map[string]bool, bad func(ast.Node, string)) {
	switch n := n.(type) {
	case *ast.GoStmt:
		bad(n, "starts a goroutine")
	case *ast.ChanType, *ast.SelectStmt, *ast.SendStmt:
		bad(n, "uses a channel")
	case *ast.SelectorExpr:
		if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && clockCall(n.Sel.Name) {
			bad(n, "asks the clock: time."+n.Sel.Name)
		}
	case *ast.Ident:
		if decides && (n.Name == "float64" || n.Name == "float32") {
			bad(n, "uses a float on a decision path")
		}
	case *ast.BasicLit:
		if decides && n.Kind == token.FLOAT && !integral(n.Value) {
			bad(n, "uses a float on a decision path")
		}
	case *ast.RangeStmt:
		if decides && maps[lastName(n.X)] {
			bad(n, "ranges over a map, whose order differs from run to run")
		}
	}
}

func clockCall(name string) bool {
	switch name {
	case "Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker":
		return true
	}
	return false
}

// integral accepts 1e9 as the integer constant it is.
func integral(lit string) bool { return !strings.Contains(lit, ".") && !strings.Contains(lit, "e-") }

// mapNames collects the names of variables, parameters and fields declared as
// maps in the file.
func mapNames(f *ast.File) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			if _, ok := n.Type.(*ast.MapType); ok {
				for _, id := range n.Names {
					names[id.Name] = true
				}
			}
		case *ast.ValueSpec:
			if _, ok := n.Type.(*ast.MapType); ok {
				for _, id := range n.Names {
					names[id.Name] = true
				}
			}
		case *ast.AssignStmt:
			for i, r := range n.Rhs {
				if madeMap(r) && i < len(n.Lhs) {
					names[lastName(n.Lhs[i])] = true
				}
			}
		}
		return true
	})
	return names
}

func madeMap(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CompositeLit:
		_, ok := e.Type.(*ast.MapType)
		return ok
	case *ast.CallExpr:
		if fn, ok := e.Fun.(*ast.Ident); ok && fn.Name == "make" && len(e.Args) > 0 {
			_, ok := e.Args[0].(*ast.MapType)
			return ok
		}
	}
	return false
}

func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
