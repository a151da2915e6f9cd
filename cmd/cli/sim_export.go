package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/traces/corpus"
	"github.com/uqtool/uq/traces/interop"
)

// simExport is what uq sim --export writes.
type simExport struct {
	specs   []string
	targets []exportTarget
	runs    []*simExportRun
	err     error // of opening a file
}

// simExportRun are the files of one qdisc.
type simExportRun struct {
	*exports
	sink *interop.FromPort
}

func (x *simExport) flag(f *pflag.FlagSet) {
	f.StringArrayVar(&x.specs, "export", nil, "write every packet's fate to [FORMAT:]FILE, run.pcapng, run.flent.gz, run.csv ...; repeatable: see uq trace export --help. "+
		"With several qdiscs each has files of its own, run-1-pfifo.pcapng")
}

// watch makes the simulation write its decisions.
func (x *simExport) watch(s *streams, c *simulation, files *places) (err error) {
	if len(x.specs) == 0 {
		return nil
	}
	if x.targets, err = parseExports("--export", x.specs, ""); err != nil {
		return err
	}
	for _, t := range x.targets {
		if t.file == "-" {
			return usageErrorf("--export %s:-: the report goes to standard output: name a file", t.format.Name)
		}
		if st, err := os.Stat(t.file); err == nil && len(c.qdiscs) > 1 && !st.Mode().IsRegular() && !st.IsDir() {
			return usageErrorf("--export %s: not a file, and each of %d qdiscs has one of its own, named after it: name a file, or one --qdisc", t.file, len(c.qdiscs))
		}
	}
	for lane, q := range c.qdiscs {
		for _, t := range x.files(lane, q, len(c.qdiscs)) {
			if err := files.write("--export", t.file); err != nil {
				return err
			}
		}
	}
	c.watch = append(c.watch, func(lane int, qdisc string) egress.Sink {
		run := traceRun(exportName(c.trace), c.header)
		run.Qdisc, run.Link, run.Seed, run.Rate, run.Offers = qdisc, c.link, c.seed, linkRate(c.link), linkOffers(s.ports, c.link)
		out, err := openExports(s, x.files(lane, qdisc, len(c.qdiscs)), run)
		if err != nil {
			x.err = errors.Join(x.err, err)
			return nil
		}
		r := &simExportRun{out, interop.NewFromPort(out)}
		x.runs = append(x.runs, r)
		return r.sink
	})
	return nil
}

// exportName is what files call the trace.
func exportName(trace string) string {
	if trace == "" {
		return corpus.DefaultName
	}
	return trace
}

// files names a lane's files.
func (x *simExport) files(lane int, qdisc string, lanes int) []exportTarget {
	if lanes == 1 {
		return x.targets
	}
	var own []exportTarget
	for _, t := range x.targets {
		stem, ending := t.format.Stem(t.file)
		kind := strings.Fields(qdisc)[0]
		own = append(own, exportTarget{t.format, fmt.Sprintf("%s-%d-%s%s", stem, lane+1, kind, ending)})
	}
	return own
}

// finish completes the files after a run that did not fail.
func (x *simExport) finish(s *streams) error {
	if x.err != nil {
		return x.err
	}
	for _, r := range x.runs {
		if err := r.sink.Close(); err != nil {
			return err
		}
		if err := r.commit(); err != nil {
			return err
		}
		r.print(s.err)
	}
	return nil
}

// discard gives up files that finish did not complete.
func (x *simExport) discard() {
	for _, r := range x.runs {
		r.exports.discard()
	}
}

// linkOffers is what a mahimahi trace lets through each millisecond, nil for other
// links.
func linkOffers(ports egress.Maker, words string) func(ms uint64) uint64 {
	w := strings.Fields(words)
	if len(w) < 2 || w[0] != "schedule" {
		return nil
	}
	l, err := ports.Link(egress.Config{Link: strings.Join(w[:2], " ")})
	if s, ok := l.(*link.Schedule); ok && err == nil {
		return s.Offers
	}
	return nil
}
