package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/sim/scenario"
)

// testOptions are the flags of uq test.
type testOptions struct {
	names   []string // files and directories
	update  bool
	junit   string
	json    bool
	jobs    int
	verbose bool
}

// maxJobs bounds how many runs go at a time: each holds its trace's tables.
const maxJobs = 256

func newTestCmd(s *streams) *cobra.Command {
	o := testOptions{}
	cmd := &cobra.Command{
		Use:   "test FILE.toml|DIR...",
		Short: "Run scenario files: traces, qdiscs, links and what to expect",
		Long: `Run the scenarios of files, or of all *.toml in directories, on all processors,
and hold each against its assertions and the digests of its decisions. A file
is TOML:

  link = "rate 20mbit delay 20ms"     # for every run that names none
  [flows]
  voip = "udp:5201"                   # a name for flow(voip) in assertions
  [[run]]
  name = "a call beside two downloads"
  trace = "mix.zst"                   # beside the file; corpus:mix.zst is embedded
  qdiscs = ["pfifo limit 1000", "fq_codel"]
  assert = ["fq_codel.flow(voip).sojourn_p99 < 5ms"]
  [run.digests]                       # written by --update, unless digests = false
  "pfifo limit 1000" = "xxh64:f5e21583b3a65f24"
  fq_codel = "xxh64:3866878217171540"

The settings are those of uq sim: trace, qdiscs, link, seed, gso, assert. traces,
links and seeds list several; a run is made for each combination. Assertions name
what uq sim --metrics lists.

Exit code 0: all held; 3: something did not; 2: a file is wrong; 4: a trace is
damaged. On GitHub (GITHUB_ACTIONS=true) failures are annotations, and the step
gets a summary.`,
		Example: `  uq test scenarios
  uq test --update scenarios/voip.toml
  uq test --junit report.xml scenarios/*.toml`,
		Args: operands(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			return runTest(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.update, "update", false, "write the digests of this run into the files; comments and order stay")
	f.StringVar(&o.junit, "junit", "", "write a JUnit XML report to this file")
	f.BoolVar(&o.json, "json", false, "print the results as JSON on standard output")
	f.IntVarP(&o.jobs, "jobs", "j", runtime.GOMAXPROCS(0), fmt.Sprintf("runs at a time, at most %d", maxJobs))
	f.BoolVarP(&o.verbose, "verbose", "v", false, "print every assertion and digest, not only those that fail")
	cmd.AddCommand(newTestImportCmd(s))
	return cmd
}

// runTest reads every file before it runs any.
func runTest(ctx context.Context, s *streams, o testOptions) error {
	if o.jobs < 1 || o.jobs > maxJobs {
		return usageErrorf("--jobs %d: want 1 to %d", o.jobs, maxJobs)
	}
	gh := onGitHub(os.Getenv)
	outputs := &places{}
	if err := o.checkJUnit(outputs); err != nil {
		return err
	}
	s = outputs.guard(s)
	files, err := readScenarios(s, o.names)
	if err != nil {
		return &exitError{exitUsage, errors.Join(err, brokenOf(err).publish(s, gh, o.junit))}
	}
	if err := checkInputs(s, outputs, files); err != nil {
		return err
	}
	suite := newSuite(s, files)
	show := &testOutput{w: s.out, verbose: o.verbose, update: o.update}
	if o.json {
		show.w = io.Discard
	}
	if err := suite.run(ctx, s, o.jobs, show.result); err != nil {
		return err
	}
	if o.update {
		if err := suite.update(s.err); err != nil {
			return err
		}
	}
	show.summary(suite)
	return errors.Join(suite.publish(s, gh, o), suite.verdict())
}

// checkJUnit finds a name that cannot be written to.
func (o *testOptions) checkJUnit(outputs *places) error {
	if o.junit == "" {
		return nil
	}
	if o.junit == "-" {
		return usageErrorf("--junit -: standard output is for words, or for --json: name a file")
	}
	if err := checkPlace("--junit", o.junit, true); err != nil {
		return err
	}
	return outputs.write("--junit", o.junit)
}

// checkInputs finds an output that would overwrite what is read.
func checkInputs(s *streams, outputs *places, files []*scenarioFile) error {
	if err := outputs.output(s.out); err != nil {
		return err
	}
	for _, f := range files {
		if err := outputs.read("a scenario", f.Name); err != nil {
			return err
		}
		for _, r := range f.Runs {
			for _, c := range r.Cases {
				if err := outputs.trace(s, "the trace of a scenario", tracePath(f.dir(), c.Trace.Text)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// publish writes the results where others read them.
func (u *suite) publish(s *streams, gh github, o testOptions) error {
	var errs []error
	if o.json {
		errs = append(errs, u.writeJSON(s.out))
	}
	if o.junit != "" {
		errs = append(errs, writeJUnit(s, o.junit, u.junit()))
	}
	u.annotate(s.err, gh)
	if gh.actions {
		errs = append(errs, gh.appendSummary(u.markdown()))
	}
	return errors.Join(errs...)
}

// scenarioFile is a file with its text as it was read.
type scenarioFile struct {
	*scenario.File
	text string
}

// dir is where the file's traces are.
func (f *scenarioFile) dir() string { return filepath.Dir(f.Name) }

// readScenarios reads and checks all files; every error of every file is told.
func readScenarios(s *streams, names []string) (files []*scenarioFile, err error) {
	paths, err := scenarioPaths(names)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		f, err := scenario.Parse(p, data)
		if err == nil {
			err = checkScenario(s.ports, f)
		}
		errs = append(errs, err)
		files = append(files, &scenarioFile{f, string(data)})
	}
	return files, errors.Join(errs...)
}

// scenarioPaths are the files named, and those in the directories named, once
// each.
func scenarioPaths(names []string) (paths []string, err error) {
	for _, n := range names {
		st, err := os.Stat(n)
		if err != nil {
			return nil, fmt.Errorf("open scenario: %w", err)
		}
		found := []string{n}
		if st.IsDir() {
			if found, err = filepath.Glob(filepath.Join(escapeGlob(n), "*.toml")); err != nil || len(found) == 0 {
				return nil, fmt.Errorf("%s has no *.toml", n)
			}
		}
		for _, f := range found {
			if f = filepath.Clean(f); !slices.Contains(paths, f) {
				paths = append(paths, f)
			}
		}
	}
	return paths, nil
}
