package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/sim/scenario"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/corpus"
	"github.com/uqtool/uq/traces/interop/profile"
)

// profileImport are the flags of uq test import, and where its files go.
type profileImport struct {
	profile.Options
	src, out, trace string
	force           bool

	scenario, cross string // paths to write; cross is empty if there is no such traffic
	file, path      string // what the link reads, as the scenario names it and from here
}

func newTestImportCmd(s *streams) *cobra.Command {
	var o profileImport
	cmd := &cobra.Command{
		Use:   "import PROFILE",
		Short: "Make a scenario of a network that iBox or rattan describes",
		Long: `Make a scenario file of a network that another emulator describes:

  iBox    a network-profile-N.json of github.com/microsoft/internet-in-a-box
  rattan  a config of github.com/stack-rs/rattan, with cells Bw, BwReplay of a
          mahimahi trace, Delay and Loss between left and right

The file has the rate, delay and loss as a link, the buffer as a qdisc, and names a
trace. iBox's cross traffic becomes a trace beside it, to be added to yours by uq
trace merge. What has no exact equal in uq is refused by its name, or is said in
the file's first lines and on standard error.`,
		Example: `  uq test import network-profile-1.json -o scenarios --trace call.zst
  uq test import config.toml --direction down --qdisc fq_codel --qdisc cake
  uq test scenarios`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.src = args[0]
			return runTestImport(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.out, "output", "o", ".", "scenario to write, or the directory for PROFILE-scenario.toml; - for standard output")
	f.StringVar(&o.trace, "trace", corpusPrefix+corpus.DefaultName, "trace that the scenario names")
	f.StringVar(&o.Direction, "direction", "", "up (iBox's uplink, rattan's left to right) or down (default: what iBox measured, else up)")
	f.StringArrayVar(&o.Qdiscs, "qdisc", nil, "run these instead of the profile's buffer (repeatable)")
	f.BoolVar(&o.force, "force", false, "overwrite a scenario and its cross traffic")
	return cmd
}

func runTestImport(ctx context.Context, s *streams, o profileImport) error {
	if o.Direction != "" && o.Direction != profile.Up && o.Direction != profile.Down {
		return usageErrorf("--direction %q: want up or down", o.Direction)
	}
	if o.trace == "-" {
		return usageErrorf("--trace -: a scenario names its trace: give a file")
	}
	o.place()
	var err error
	if o.LinkHeader, err = linkHeaderOf(ctx, s, o.trace); err != nil {
		return err
	}
	data, err := readProfile(ctx, s, o.src)
	if err != nil {
		return err
	}
	p, err := profile.Parse(data, o.Options)
	if err != nil {
		return usageErrorf("%s: %w", o.src, err)
	}
	if len(p.Cross) == 0 {
		o.cross = ""
	}
	text, err := o.text(s, p)
	if err := cmp.Or(err, o.check(s)); err != nil {
		return err
	}
	return o.write(ctx, s, p, text)
}

// place finds names for the files.
func (o *profileImport) place() {
	base := filepath.Base(o.src)
	if o.src == "-" {
		base = "profile"
	}
	base = strings.TrimSuffix(base, filepath.Ext(base))
	o.scenario = o.out
	if st, err := os.Stat(o.out); o.out != "-" && err == nil && st.IsDir() {
		o.scenario = filepath.Join(o.out, base+"-scenario.toml")
	}
	if o.out != "-" {
		base = strings.TrimSuffix(strings.TrimSuffix(o.scenario, ".toml"), "-scenario")
	}
	o.cross = base + "-cross.zst"
}

// dir is where the scenario is, to which its names are relative.
func (o *profileImport) dir() string {
	if o.out == "-" {
		return "."
	}
	return filepath.Dir(o.scenario)
}

// check finds files that would be overwritten.
func (o *profileImport) check(s *streams) error {
	files := &places{}
	if o.out != "-" {
		if err := cmp.Or(files.write("-o", o.scenario), files.write("the cross traffic", o.cross)); err != nil {
			return err
		}
	}
	if err := cmp.Or(files.trace(s, "the profile", o.src), files.trace(s, "the trace", o.trace),
		files.read("a file that the link reads", o.path)); err != nil {
		return err
	}
	if o.out != "-" && !o.force {
		return cmp.Or(unwritten("-o", o.scenario), unwritten("the cross traffic", o.cross))
	}
	return nil
}

// unwritten refuses a file that exists.
func unwritten(flag, name string) error {
	switch st, err := os.Stat(name); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return usageErrorf("%s %s: %w", flag, name, err)
	case st.Mode().IsRegular():
		return usageErrorf("%s %s: the file exists: name another with -o, or overwrite it with --force", flag, name)
	}
	return nil
}

// linkHeaderOf is the link-layer header that a trace's packets are counted with.
func linkHeaderOf(ctx context.Context, s *streams, name string) (int, error) {
	in, err := openInput(ctx, s, name, false)
	if err != nil {
		return 0, err
	}
	t, err := in.reader(false)
	if err != nil {
		return 0, err
	}
	defer t.close()
	h := t.Header()
	if err := h.CheckLinkHeader(); err != nil {
		return 0, usageErrorf("%s: %w", name, err)
	}
	return h.LinkHeader, nil
}

func readProfile(ctx context.Context, s *streams, name string) ([]byte, error) {
	if name != "-" {
		if _, err := os.Stat(name); err != nil {
			return nil, usageErrorf("open the profile: %w", err)
		}
	}
	in, err := openTraceInput(ctx, s, name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, profile.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	return data, nil
}

// text is the scenario, checked as uq test would.
func (o *profileImport) text(s *streams, p *profile.Profile) (string, error) {
	trace := o.trace
	if !isCorpus(trace) {
		trace = from(o.dir(), trace)
	}
	if p.File != "" {
		if err := o.find(p.File); err != nil {
			return "", err
		}
	}
	cross := ""
	if o.cross != "" {
		cross = filepath.Base(o.cross)
	}
	text, err := p.Scenario(filepath.Base(o.src), trace, o.file, cross)
	if err != nil {
		return "", err
	}
	f, err := scenario.Parse(filepath.Join(o.dir(), filepath.Base(o.scenario)), []byte(text))
	if err == nil {
		err = checkScenario(s.ports, f)
	}
	if err != nil {
		return "", usageErrorf("%s: no scenario comes of it: %w", o.src, err)
	}
	return text, nil
}

// find finds the file that the link reads: rattan's names are relative to where it
// was started.
func (o *profileImport) find(name string) error {
	tried := []string{name}
	if !filepath.IsAbs(name) && o.src != "-" {
		tried = append(tried, filepath.Join(filepath.Dir(o.src), name))
	}
	for _, path := range tried {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		o.path = path
		if o.file = from(o.dir(), path); strings.ContainsAny(o.file, " \t\n\r") {
			return usageErrorf("%s: a link's words cannot name a file with a space: rename %s", o.src, path)
		}
		return nil
	}
	return usageErrorf("%s: its trace is not at %s: go where rattan was started", o.src, strings.Join(tried, " or "))
}

// from names a file as seen from a directory.
func from(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	there, err := filepath.Abs(dir)
	if err != nil {
		return name
	}
	here, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	if rel, err := filepath.Rel(there, here); err == nil {
		return filepath.ToSlash(rel)
	}
	return filepath.ToSlash(here)
}

// write writes the files, and says what to know about them.
func (o *profileImport) write(ctx context.Context, s *streams, p *profile.Profile, text string) error {
	crossed := o.cross != "" && o.out != "-"
	if crossed {
		if err := o.writeCross(ctx, s, p); err != nil {
			return err
		}
	}
	if err := writeFile(s, o.scenario, []byte(text)); err != nil {
		return err
	}
	say := func(format string, args ...any) {
		fmt.Fprintln(s.err, printable(fmt.Sprintf(format, args...), ""))
	}
	for _, n := range p.Notes {
		say("note: %s", n)
	}
	if o.out != "-" {
		say("wrote %s: uq test %s", o.scenario, shellQuote(o.scenario))
	}
	switch {
	case crossed:
		merged := strings.TrimSuffix(o.cross, "-cross.zst") + "-merged.zst"
		say("wrote the cross traffic: add it with: uq trace merge %s %s -o %s, and name that as the trace of the scenario",
			shellQuote(o.trace), shellQuote(o.cross), shellQuote(merged))
	case o.cross != "":
		say("note: the cross traffic is not written: name the scenario's file with -o")
	}
	return nil
}

// writeCross writes the cross traffic.
func (o *profileImport) writeCross(ctx context.Context, s *streams, p *profile.Profile) error {
	c := profile.NewCross(p.Cross, o.LinkHeader)
	return writeTraceFile(s, o.cross, func(w io.Writer) error {
		t, err := traces.NewWriter(w, c.Header(p.Format+" profile "+filepath.Base(o.src)), traces.WriterOptions{})
		if err != nil {
			return err
		}
		var r traces.Record
		for n := 0; c.Next(&r); n++ {
			if n%traces.DefaultBlockRecords == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if err := t.Append(&r); err != nil {
				return err
			}
		}
		return t.Close(c.End())
	})
}
