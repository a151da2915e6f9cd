package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/interop/pcap"
)

// traceImportOptions are the flags of uq trace import.
type traceImportOptions struct {
	pcap.Options
	src, dst string
	out      traceDestination
}

func newTraceImportCmd(s *streams) *cobra.Command {
	var o traceImportOptions
	cmd := &cobra.Command{
		Use:   "import CAPTURE -o TRACE",
		Short: "Make a trace of a capture (pcap, pcapng)",
		Long: `Make a trace of a capture: pcap or pcapng, of any byte order and resolution,
also compressed by gzip or zstd. Lengths are those on the wire, whatever was
captured of them; the first IP header counts, behind VLAN tags, PPPoE and the like.

A capture is of both directions, and a queue of one: choose with --direction,
where the capture tells it, or with --src and --dst. Packets longer than the MTU
were captured before segmentation or after it was undone; they count as
super-packets. What is left out is counted by reason.

A capture that is cut or damaged gives what is before that, and exit code 4.`,
		Example: `  uq trace import capture.pcapng -o t.zst --src 192.168.1.0/24
  tcpdump -i eth0 -s 128 -w - | uq trace import - -o t.zst --dst 10.0.0.0/8
  uq sim t.zst --link "rate 20mbit"`,
		Args: operands(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTraceImport(cmd.Context(), s, args[0], o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Interface, "interface", "", "name or number of a pcapng interface, all for every one; needed where several have packets")
	f.StringVar(&o.Direction, "direction", "", "in or out, as pcapng's flags or Linux cooked captures tell; packets without are left out")
	f.StringVar(&o.src, "src", "", "take packets from this prefix only, 192.168.1.0/24")
	f.StringVar(&o.dst, "dst", "", "take packets to this prefix only")
	f.IntVar(&o.MTU, "mtu", 1500, "layer-3 length beyond which a packet is a super-packet")
	o.out.flags(cmd)
	f.Lookup("json").Usage = "print what was written, and what was left out, as JSON, schema " + traceImportedSchema
	return cmd
}

// check reads the flags.
func (o *traceImportOptions) check() error {
	if o.Direction != "" && o.Direction != "in" && o.Direction != "out" {
		return usageErrorf("--direction %q: want in or out", o.Direction)
	}
	if o.MTU < 68 || o.MTU > 65535 {
		return usageErrorf("--mtu %d: want 68 to 65535", o.MTU)
	}
	if o.out.json && o.out.name == "-" {
		return usageErrorf("-o - --json: both want standard output")
	}
	for _, p := range []struct {
		flag, text string
		to         *netip.Prefix
	}{{"--src", o.src, &o.Src}, {"--dst", o.dst, &o.Dst}} {
		var err error
		if *p.to, err = parsePrefix(p.text); err != nil {
			return usageErrorf("%s: %w", p.flag, err)
		}
	}
	return nil
}

func runTraceImport(ctx context.Context, s *streams, name string, o traceImportOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	files := &places{}
	if err := cmp.Or(files.write("-o", o.out.name), files.trace(s, "the input", name)); err != nil {
		return err
	}
	in, err := openTraceInput(ctx, s, name)
	if err != nil {
		return err
	}
	defer in.Close()
	o.Tool, o.Name = toolName(), name
	status := newStatus(s.err, fileSize(name))
	defer status.clear()
	m, err := pcap.Open(&progressReader{in, status}, o.Options)
	if err != nil {
		return importError(name, err)
	}
	var damage *pcap.Damage
	var w *traces.Writer
	err = writeTraceFile(s, o.out.name, func(out io.Writer) (err error) {
		if w, err = traces.NewWriter(out, m.Header(), traces.WriterOptions{}); err != nil {
			return err
		}
		err = m.Copy(w)
		if errors.As(err, &damage) && !errors.Is(err, context.Canceled) {
			return nil // what is there is a trace
		}
		return err
	})
	status.clear()
	if err != nil {
		return importError(name, err)
	}
	if err := o.printImported(s, w.Stats(), m.Report()); err != nil {
		return err
	}
	if damage != nil {
		return damagedErrorf("%s: %w", name, damage)
	}
	return nil
}

// importError gives an error of a capture its exit code and way out.
func importError(name string, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, pcap.ErrSeveral):
		return usageErrorf("%s: %w: choose one with --interface, or all", name, err)
	case errors.Is(err, pcap.ErrInterface):
		return usageErrorf("%s: --interface: %w", name, err)
	case errors.Is(err, pcap.ErrNotCapture), errors.Is(err, pcap.ErrLink), errors.Is(err, io.ErrUnexpectedEOF):
		return usageErrorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// traceImportedSchema names the version of traceImported's JSON form.
const traceImportedSchema = "uq-trace-import/1"

// traceImported says what came of a capture.
type traceImported struct {
	Schema  string      `json:"schema"`
	Output  string      `json:"output"`
	Records uint64      `json:"records"`
	Bytes   uint64      `json:"bytes"`
	Capture pcap.Report `json:"capture"`
}

func (o *traceImportOptions) printImported(s *streams, st traces.WriterStats, r pcap.Report) error {
	if o.out.json {
		return encodeJSON(s.out, traceImported{traceImportedSchema, o.out.name, st.Records, st.Bytes, r})
	}
	printTraceWritten(s, st)
	fmt.Fprintf(s.err, "%s: %d of %d packets imported", r.Format, r.Imported, r.Packets)
	for _, n := range []struct {
		count uint64
		words string
	}{{r.Cut, "captured in part"}, {r.Super, "super-packets"}, {r.Lost, "lost by the capture"}, {r.Blocks, "blocks of other kinds"}} {
		if n.count > 0 {
			fmt.Fprintf(s.err, ", %d %s", n.count, n.words)
		}
	}
	fmt.Fprintln(s.err)
	for _, k := range r.Skipped {
		fmt.Fprintf(s.err, "  left out %d: %s\n", k.Packets, printable(k.Why, ""))
	}
	if r.Early > 0 {
		fmt.Fprintf(s.err, "  %d came out of order, by up to %d ns: they have the time of the one before\n", r.Early, r.EarlyNs)
	}
	return nil
}

// progressReader counts what passes.
type progressReader struct {
	io.Reader
	status *status
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.status.add(n)
	return n, err
}

// fileSize is a regular file's size in bytes, 0 for others.
func fileSize(name string) int64 {
	if st, err := os.Stat(name); err == nil && st.Mode().IsRegular() {
		return st.Size()
	}
	return 0
}
