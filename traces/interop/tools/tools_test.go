//go:build interop

package tools

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/traces/interop"
	"github.com/uqtool/uq/traces/interop/formats"
	"github.com/uqtool/uq/traces/interop/interoptest"
	"github.com/uqtool/uq/traces/interop/pcap"
)

// The run that all tests export.
const (
	qdisc = "fq_codel ecn"
	link  = "rate 10mbit delay 5ms loss 1%"
)

// export writes the run in the named formats into a directory, and gives its
// events, too. The files are called run and the format's ending.
func export(t *testing.T, names ...string) (dir string, l *interoptest.List) {
	t.Helper()
	dir, l = t.TempDir(), &interoptest.List{}
	ws := []interop.Writer{l}
	for _, name := range names {
		f, err := formats.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Create(filepath.Join(dir, "run"+f.Ending))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		w, err := f.New(file, interoptest.Run(qdisc, link))
		if err != nil {
			t.Fatal(err)
		}
		ws = append(ws, w)
	}
	interoptest.Simulate(t, "ecn.zst", qdisc, link, interop.Tee(ws...))
	return dir, l
}

// run runs a tool and returns what it prints.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &words)
	}
	return out.String()
}

// count counts events of a kind.
func count(l *interoptest.List, k egress.Kind) (n int) {
	for _, e := range l.Events {
		if e.Kind == k {
			n++
		}
	}
	return n
}

// TestTshark holds that tshark reads every packet with its time, its comment and
// its headers, and finds nothing malformed.
func TestTshark(t *testing.T) {
	dir, l := export(t, "pcapng")
	file := filepath.Join(dir, "run.pcapng")
	if bad := run(t, "tshark", "-r", file, "-Y", "_ws.malformed || ip.checksum.status == 0", "-o", "ip.check_checksum:true"); bad != "" {
		t.Errorf("malformed:\n%.1000s", bad)
	}
	out := run(t, "tshark", "-r", file, "-T", "fields", "-E", "occurrence=f", "-e", "frame.interface_name", "-e", "frame.time_epoch",
		"-e", "frame.packet_id", "-e", "frame.len", "-e", "ip.src", "-e", "ip.dst", "-e", "ip.dsfield.ecn", "-e", "frame.comment")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	i := 0
	for _, e := range l.Events {
		side, ok := map[egress.Kind]string{egress.Enqueue: "arrivals", egress.Deliver: "departures", egress.Drop: "drops"}[e.Kind]
		if !ok {
			continue
		}
		ns := interoptest.Run(qdisc, link).StartNs + int64(e.Time)
		src, dst := e.Record.Flow.Addrs()
		want := fmt.Sprintf("%s\t%d.%09d\t%d\t%d\t%v\t%v\t%d\t", side, ns/1e9, ns%1e9, e.ID, e.Record.Len, src, dst, e.Record.DSField&3)
		verdict := ""
		if e.Last() {
			verdict = fmt.Sprintf("verdict %v", e.Record.Verdict)
		}
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) || !strings.Contains(lines[i], verdict) {
			t.Fatalf("line %d: %q, want %q", i, lines[min(i, len(lines)-1)], want)
		}
		i++
	}
	if i != len(lines) || i < 10_000 {
		t.Errorf("%d lines of %d packets", len(lines), i)
	}
}

// TestCapinfos holds that capinfos reads the interfaces and their counts.
func TestCapinfos(t *testing.T) {
	dir, l := export(t, "pcapng")
	out := run(t, "capinfos", filepath.Join(dir, "run.pcapng"))
	for side, k := range map[string]egress.Kind{"arrivals": egress.Enqueue, "departures": egress.Deliver, "drops": egress.Drop} {
		_, of, ok := strings.Cut(out, "Name = "+side)
		if want := fmt.Sprintf("Number of packets = %d\n", count(l, k)); !ok || !strings.Contains(strings.Split(of, "Interface #")[0], want) {
			t.Errorf("%s: want %s in\n%s", side, want, of)
		}
	}
	if !strings.Contains(out, "Strict time order:   True") || !strings.Contains(out, "qdisc "+qdisc) {
		t.Error(out)
	}
}

// TestEditcap holds that what Wireshark's tools make of an export is imported as
// the export is: cut, in another format, of another resolution.
func TestEditcap(t *testing.T) {
	dir, l := export(t, "pcapng")
	file := filepath.Join(dir, "run.pcapng")
	for _, args := range [][]string{{"-F", "nsecpcap"}, {"-F", "pcap"}, {"-F", "pcapng", "-s", "40"}} {
		other := filepath.Join(dir, "other")
		run(t, "editcap", append(args, file, other)...)
		f, err := os.Open(other)
		if err != nil {
			t.Fatal(err)
		}
		m, err := pcap.Open(f, pcap.Options{Interface: "all", MTU: 65535})
		if err != nil {
			t.Fatal(err)
		}
		n := &counting{}
		if err := m.Copy(n); err != nil {
			t.Fatal(err)
		}
		f.Close()
		var packets int
		var bytes uint64
		for _, e := range l.Events {
			if e.Kind == egress.Enqueue || e.Last() {
				packets++
				bytes += uint64(e.Record.Len)
			}
		}
		if n.records != packets || n.bytes != bytes {
			t.Errorf("%v: %d packets of %d bytes, want %d of %d", args, n.records, n.bytes, packets, bytes)
		}
	}
}

// TestFlent holds that flent loads a file, prints its values and plots it.
func TestFlent(t *testing.T) {
	dir, l := export(t, "flent")
	file := filepath.Join(dir, "run.flent.gz")
	if out := run(t, "flent", "-f", "summary", file); !strings.Contains(out, "qdisc-stats::delay") {
		t.Error(out)
	}
	table := filepath.Join(dir, "table.csv")
	run(t, "flent", "-f", "csv", "-o", table, file)
	f, err := os.Open(table)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]float64{}
	for _, r := range rows[1:] {
		for i, v := range r {
			x, _ := strconv.ParseFloat(v, 64)
			sums[rows[0][i]] += x
		}
	}
	if sums["qdisc-stats::dropped"] != float64(count(l, egress.Drop)) || sums["qdisc-stats::ecn_mark"] != float64(count(l, egress.Mark)) || count(l, egress.Mark) == 0 {
		t.Errorf("%v, %d dropped, %d marked", sums, count(l, egress.Drop), count(l, egress.Mark))
	}
	for _, plot := range []string{"backlog", "drops", "delay"} {
		out := filepath.Join(dir, plot+".svg")
		run(t, "flent", "-p", plot, "-o", out, file)
		if svg, err := os.ReadFile(out); err != nil || !bytes.Contains(svg, []byte("</svg>")) {
			t.Errorf("%s: %d bytes, %v", plot, len(svg), err)
		}
	}
}

// totals are what a table's readers must agree on: rows, and the sum of the
// times in the queue.
func totals(l *interoptest.List) string {
	rows, sum := 0, int64(0)
	for _, e := range l.Events {
		if e.Last() {
			rows++
		}
		if e.Leaves {
			sum += int64(e.Sojourn())
		}
	}
	return fmt.Sprintf("%d %d", rows, sum)
}

// TestDuckDB holds that DuckDB reads the same of each table.
func TestDuckDB(t *testing.T) {
	const script = `
import { DuckDBInstance } from '@duckdb/node-api';
const db = await DuckDBInstance.create(':memory:');
const c = await db.connect();
for (const f of process.argv.slice(2)) {
  const r = await c.runAndReadAll("select count(*)::int, sum(sojourn_ns)::bigint from '" + f + "'");
  console.log(r.getRows()[0].join(' '));
}`
	modules := os.Getenv("UQ_INTEROP_NODE")
	if modules == "" {
		t.Fatal("UQ_INTEROP_NODE names no folder with @duckdb/node-api: run make interop")
	}
	query := filepath.Join(modules, "query.mjs")
	if err := os.WriteFile(query, []byte(script), 0o666); err != nil {
		t.Fatal(err)
	}
	dir, l := export(t, "csv", "jsonl", "parquet")
	out := run(t, "node", query, dir+"/run.csv", dir+"/run.jsonl", dir+"/run.parquet")
	if want := strings.Repeat(totals(l)+"\n", 3); out != want {
		t.Errorf("%q, want %q", out, want)
	}
}

// TestPandas holds that pandas reads CSV and JSON lines, absent values included.
func TestPandas(t *testing.T) {
	dir, l := export(t, "csv", "jsonl")
	const script = `
import sys, pandas
for d in (pandas.read_csv(sys.argv[1] + "/run.csv"), pandas.read_json(sys.argv[1] + "/run.jsonl", lines=True)):
    print(len(d), int(d.sojourn_ns.sum()))
    assert (d.delivered_ns.isna() != d.dropped_ns.isna()).all()
`
	if out, want := run(t, "/usr/bin/python3", "-c", script, dir), strings.Repeat(totals(l)+"\n", 2); out != want {
		t.Errorf("%q, want %q", out, want)
	}
}

// TestHistogramLogProcessor holds that HdrHistogram's own program reads a log.
func TestHistogramLogProcessor(t *testing.T) {
	dir, l := export(t, "hlog")
	left := 0
	for _, e := range l.Events {
		if e.LetGo() {
			left++
		}
	}
	for tag, want := range map[string]int{"": left, "delay": count(l, egress.Deliver)} {
		args := []string{"-cp", "/usr/share/java/hdrhistogram.jar", "org.HdrHistogram.HistogramLogProcessor", "-i", dir + "/run.hlog"}
		if tag != "" {
			args = append(args, "-tag", tag)
		}
		out := run(t, "java", args...)
		_, total, _ := strings.Cut(out, "Total count    =")
		total, _, _ = strings.Cut(total, "]")
		if n, err := strconv.Atoi(strings.TrimSpace(total)); err != nil || n != want {
			t.Errorf("tag %q: %d values, want %d: %v", tag, n, want, err)
		}
	}
}
