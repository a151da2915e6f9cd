package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// version is the release's, set by who builds one: -ldflags '-X
// github.com/uqtool/uq/cmd/cli.version=1.2.3'. Else it is the module's.
var version string

// versionReport is what uq version --json prints.
type versionReport struct {
	Format   int    `json:"uq_format"`
	Version  string `json:"version"` // of the module, or "(devel)"
	Go       string `json:"go"`
	Platform string `json:"platform"` // GOOS/GOARCH
	// Revision of the source, when it was committed, and whether the build had
	// changes on top; empty for a build outside its repository.
	Revision string `json:"revision,omitempty"`
	Time     string `json:"revision_time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	// Dependencies are the libraries that talk to the kernel.
	Dependencies []versionedModule `json:"dependencies"`
}

type versionedModule struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

// kernelModules are the dependencies whose version matters for what a recording
// does.
var kernelModules = []string{
	"github.com/florianl/go-nfqueue/v2",
	"github.com/google/nftables",
	"github.com/mdlayher/netlink",
	"github.com/vishvananda/netlink",
}

func newVersionCmd(s *streams) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of uq and of what it was built with",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			if !asJSON {
				return v.words(s.out)
			}
			e := json.NewEncoder(s.out)
			e.SetIndent("", "  ")
			return e.Encode(v)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// setVersion gives the command the flag --version, which prints what uq version
// does.
func setVersion(cmd *cobra.Command) {
	var text strings.Builder
	v := buildVersion()
	_ = v.words(&text) // a Builder takes everything
	cmd.Version = v.Version
	cmd.SetVersionTemplate(strings.ReplaceAll(text.String(), "{{", ""))
	cmd.Flags().Bool("version", false, "print the version, as uq version does")
}

func buildVersion() versionReport {
	v := versionReport{
		Format: 1, Version: cmp.Or(version, "(devel)"), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Dependencies: []versionedModule{},
	}
	bi, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if version == "" && bi.Main.Version != "" {
		v.Version = bi.Main.Version
	}
	for _, set := range bi.Settings {
		switch set.Key {
		case "vcs.revision":
			v.Revision = set.Value
		case "vcs.time":
			v.Time = set.Value
		case "vcs.modified":
			v.Modified = set.Value == "true"
		}
	}
	for _, m := range bi.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if slices.Contains(kernelModules, m.Path) {
			v.Dependencies = append(v.Dependencies, versionedModule{m.Path, m.Version})
		}
	}
	return v
}

func (v versionReport) words(w io.Writer) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "uq %s, %s %s\n", v.Version, v.Go, v.Platform)
	if v.Revision != "" {
		fmt.Fprintf(b, "revision %s of %s", v.Revision, v.Time)
		if v.Modified {
			b.WriteString(", with changes")
		}
		b.WriteByte('\n')
	}
	for _, m := range v.Dependencies {
		fmt.Fprintf(b, "%s %s\n", m.Path, m.Version)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
