package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestHelpFits holds every command's flags to the width of a terminal.
func TestHelpFits(t *testing.T) {
	const width = 80
	root := newRootCmd(&streams{ports: testPorts})
	root.SetUsageTemplate(wrapped(root.UsageTemplate(), width))
	flags := 0
	var each func(*cobra.Command)
	each = func(cmd *cobra.Command) {
		_, text, _ := strings.Cut(cmd.UsageString(), "\nFlags:\n")
		for line := range strings.Lines(text) {
			if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(strings.TrimSpace(line), "-") {
				flags++
			}
			if len([]rune(line)) > width && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("%s: %d wide: %s", cmd.CommandPath(), len([]rune(line)), line)
			}
		}
		for _, c := range cmd.Commands() {
			each(c)
		}
	}
	each(root)
	if flags < 100 {
		t.Errorf("only %d flags", flags)
	}
}
