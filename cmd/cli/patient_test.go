package cli

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// TestPatientWriter: a reader may be slow, and after the end too, but not
// endlessly; a second signal ends what patience is left.
func TestPatientWriter(t *testing.T) {
	in, out := io.Pipe()
	hurry := make(chan struct{})
	ctx, end := context.WithCancel(context.WithValue(t.Context(), hurryKey{}, hurry))
	p := &patientWriter{w: out, ended: ctx, patience: time.Minute}
	text := strings.Repeat("trace", 10_000)
	got := make(chan string)
	go func() {
		b := make([]byte, len(text))
		time.Sleep(10 * time.Millisecond)
		_, err := io.ReadFull(in, b[:len(b)/2])
		end()
		time.Sleep(10 * time.Millisecond)
		if _, err2 := io.ReadFull(in, b[len(b)/2:]); err != nil || err2 != nil {
			t.Error(err, err2)
		}
		got <- string(b)
	}()
	if n, err := p.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
	if <-got != text {
		t.Error("the reader got something else")
	}

	close(hurry)
	begun := time.Now()
	for range 2 {
		if n, err := p.Write([]byte(text)); n != 0 || err == nil || !strings.Contains(err.Error(), "its reader took nothing for") {
			t.Error(n, err)
		}
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("gave up after %s", took)
	}

	p = &patientWriter{w: out, ended: ctx, patience: 0}
	if n, err := p.Write([]byte(text)); n != 0 || err == nil {
		t.Error(n, err)
	}
}
