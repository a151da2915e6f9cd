package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/replay/doctor"
)

func TestDoctorUsage(t *testing.T) {
	for _, args := range [][]string{{"doctor", "now"}, {"doctor", "--slow"}, {"doctor", "--quick=maybe"}, {"doctor", "--json", "x.zst"}} {
		if code, out, errs := runUq(args...); code != exitUsage || out != "" || !strings.HasPrefix(errs, "uq: ") {
			t.Errorf("%v: exit %d, want %d\n%s%s", args, code, exitUsage, out, errs)
		}
	}
}

// TestDoctorControls makes sure that what the machine says of itself cannot
// drive the terminal.
func TestDoctorControls(t *testing.T) {
	var b bytes.Buffer
	r := doctor.Judge(&doctor.Facts{System: doctor.System{OS: "linux", Kernel: "6.1\x1b[2J"}})
	if err := writeDoctor(&b, r, false); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "\x1b") || !strings.Contains(b.String(), `Linux 6.1\x1b[2J`) {
		t.Errorf("%q", b.String())
	}
}

func TestSeeDoctor(t *testing.T) {
	const hint = "uq doctor"
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		err  error
		hint bool
	}{
		{t.Context(), fmt.Errorf("open queue 1: %w", nfq.ErrPermission), true},
		{t.Context(), fmt.Errorf("open queue 1: %w", nfq.ErrUnsupported), true},
		{t.Context(), fmt.Errorf("open queue 1: %w", nfq.ErrBusy), false},
		{t.Context(), errors.New("disk full"), false},
		{ended, nfq.ErrPermission, false},
	} {
		got := seeDoctor(c.ctx, c.err, false)
		if !errors.Is(got, c.err) || strings.Contains(got.Error(), hint) != c.hint {
			t.Errorf("%v: got %v", c.err, got)
		}
	}
	if err := seeDoctor(t.Context(), nil, true); err != nil {
		t.Error(err)
	}
}
