package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// github is what GitHub's runner says of itself. The zero value is no runner.
type github struct {
	// actions is true in a workflow, workspace where the repository is, summary
	// the file that the step's summary is appended to.
	actions   bool
	workspace string
	summary   string
}

// onGitHub reads the runner's variables.
func onGitHub(getenv func(string) string) github {
	if getenv("GITHUB_ACTIONS") != "true" {
		return github{}
	}
	return github{actions: true, workspace: getenv("GITHUB_WORKSPACE"), summary: getenv("GITHUB_STEP_SUMMARY")}
}

// annotate prints a workflow command that marks a line of a file; without a file
// it stands with the job.
func (g github) annotate(w io.Writer, file string, line int, title, message string) {
	if !g.actions {
		return
	}
	var props []string
	if file != "" {
		props = append(props, "file="+escapeProperty(g.path(file)), fmt.Sprintf("line=%d", line))
	}
	props = append(props, "title="+escapeProperty(printable(title, "")))
	fmt.Fprintf(w, "::error %s::%s\n", strings.Join(props, ","), escapeData(printable(message, "\n")))
}

// path is a file's name from the top of the repository, as annotations want it.
func (g github) path(file string) string {
	abs, err := filepath.Abs(file)
	if err != nil || g.workspace == "" {
		return filepath.ToSlash(file)
	}
	rel, err := filepath.Rel(g.workspace, abs)
	if err != nil || strings.HasPrefix(rel, "..") {
		return filepath.ToSlash(file)
	}
	return filepath.ToSlash(rel)
}

// appendSummary adds markdown to the step's summary.
func (g github) appendSummary(markdown string) error {
	if g.summary == "" {
		return nil
	}
	f, err := os.OpenFile(g.summary, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("write the step summary: %w", err)
	}
	if _, err := io.WriteString(f, markdown); err != nil {
		f.Close()
		return fmt.Errorf("write the step summary: %w", err)
	}
	return f.Close()
}

// escapeData and escapeProperty keep a text from ending a workflow command.
func escapeData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func escapeProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
