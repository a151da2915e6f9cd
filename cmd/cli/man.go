package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newManCmd writes the manual pages. It is for those who package uq, so it is in
// no list.
func newManCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages into a directory",
		Long:   `Write a manual page for uq and for each of its commands into a directory. They are dated as SOURCE_DATE_EPOCH says, else as the source they were built from.`,
		Hidden: true,
		Args:   operands(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := manDate(os.Getenv("SOURCE_DATE_EPOCH"), buildVersion().Time)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return usageErrorf("write manual pages: %w", err)
			}
			return writeMan(cmd.Root(), args[0], date)
		},
	}
}

// manDate is the day of the pages: epoch's, in seconds, else that of the source's
// revision, else none.
func manDate(epoch, revision string) (string, error) {
	if epoch != "" {
		sec, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return "", usageErrorf("SOURCE_DATE_EPOCH %q: want seconds since 1970", epoch)
		}
		return time.Unix(sec, 0).UTC().Format(time.DateOnly), nil
	}
	day, _, _ := strings.Cut(revision, "T")
	return day, nil
}

// writeMan writes the page of cmd and those of the commands below it.
func writeMan(cmd *cobra.Command, dir, date string) error {
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	if err := os.WriteFile(filepath.Join(dir, name+".1"), []byte(manPage(cmd, name, date)), 0o666); err != nil {
		return fmt.Errorf("write manual pages: %w", err)
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" && c.Name() != "completion" {
			if err := writeMan(c, dir, date); err != nil {
				return err
			}
		}
	}
	return nil
}

// manPage is a command's page in man's macros.
func manPage(cmd *cobra.Command, name, date string) string {
	b := &strings.Builder{}
	fmt.Fprintf(b, ".TH %s 1 %q uq \"User Commands\"\n", strings.ToUpper(roff(name)), date)
	fmt.Fprintf(b, ".SH NAME\n%s \\- %s\n", roff(name), roff(cmd.Short))
	use := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		use = cmd.CommandPath() + " COMMAND"
	}
	fmt.Fprintf(b, ".SH SYNOPSIS\n.B %s\n", roff(use))
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	b.WriteString(".SH DESCRIPTION\n" + roffText(long))
	manCommands(b, cmd)
	manFlags(b, cmd)
	if cmd.Example != "" {
		b.WriteString(".SH EXAMPLES\n" + roffLiteral(strings.Split(strings.TrimRight(cmd.Example, "\n"), "\n")))
	}
	if !cmd.HasParent() {
		b.WriteString(".SH EXIT STATUS\n")
		for _, e := range exitMeanings {
			fmt.Fprintf(b, ".TP\n.B %d\n%s\n", e.code, roff(e.words))
		}
		return b.String()
	}
	fmt.Fprintf(b, ".SH SEE ALSO\n.BR %s (1)\n", roff(strings.ReplaceAll(cmd.Parent().CommandPath(), " ", "-")))
	return b.String()
}

// exitMeanings are the exit codes, as the manual has them.
var exitMeanings = []struct {
	code  int
	words string
}{
	{exitOK, "all went well"},
	{exitRuntime, "something failed; of uq diff: the runs differ"},
	{exitUsage, "bad flags or bad input"},
	{exitAssert, "an assertion or a verification failed"},
	{exitDamaged, "a trace is damaged; what could be recovered was used"},
	{exitInterrupted, "interrupted"},
}

func manCommands(b *strings.Builder, cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	b.WriteString(".SH COMMANDS\n")
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(c.CommandPath()), roff(c.Short))
		}
	}
}

func manFlags(b *strings.Builder, cmd *cobra.Command) {
	if !cmd.HasAvailableLocalFlags() {
		return
	}
	b.WriteString(".SH OPTIONS\n")
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		arg, usage := pflag.UnquoteUsage(f)
		names := "--" + f.Name
		if f.Shorthand != "" {
			names = "-" + f.Shorthand + ", " + names
		}
		if arg != "" {
			arg = " \\fI" + roff(arg) + "\\fR"
		}
		if d := f.DefValue; d != "" && d != "false" && d != "[]" && d != "0" && d != "0s" {
			usage += " (default " + d + ")"
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR%s\n%s\n", roff(names), arg, roff(usage))
	})
}

// roffText is paragraphs; lines that are indented stay as they are.
func roffText(text string) string {
	var parts []string
	for para := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		for lines := strings.Split(para, "\n"); len(lines) > 0; {
			literal := strings.HasPrefix(lines[0], " ")
			n := 0
			for n < len(lines) && strings.HasPrefix(lines[n], " ") == literal {
				n++
			}
			if literal {
				parts = append(parts, roffLiteral(lines[:n]))
			} else {
				parts = append(parts, roff(strings.Join(lines[:n], "\n"))+"\n")
			}
			lines = lines[n:]
		}
	}
	return strings.Join(parts, ".PP\n")
}

func roffLiteral(lines []string) string {
	return ".nf\n" + roff(strings.Join(lines, "\n")) + "\n.fi\n"
}

// roff escapes what troff would obey.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
