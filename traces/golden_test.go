package traces_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uqtool/uq/traces"
)

// A file written by version 1.0 reads for ever: v1.zst is never written again.
// The compressed bytes are not compared, another compressor may choose others.
func TestFirstVersionReads(t *testing.T) {
	text, err := os.ReadFile("testdata/v1.txt")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("testdata/v1.zst")
	if err != nil {
		t.Fatal(err)
	}
	want, err := readItems(fromText(t, bytes.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := readTrace(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, equateEmpty); d != "" {
		t.Error(d)
	}
	var out bytes.Buffer
	r := fromTrace(t, bytes.NewReader(file))
	w, err := traces.NewTextWriter(&out, r.Header())
	if err != nil {
		t.Fatal(err)
	}
	mustCopy(t, w, r)
	// The first line of the twin is a comment.
	_, text, _ = bytes.Cut(text, []byte("\n"))
	if d := cmp.Diff(string(text), out.String()); d != "" {
		t.Error(d)
	}
}
