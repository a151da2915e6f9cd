package cli

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/uqtool/uq/sim/report/plot"
)

// otherWidth is how many columns a plot has that does not go to a terminal.
const otherWidth = 80

// terminal is what w can show: colours on a terminal only, unless NO_COLOR is set
// or TERM is dumb; blocks unless the locale has other characters than UTF-8.
func terminal(w io.Writer, env func(string) string) plot.Options {
	o := plot.Options{Width: otherWidth, ASCII: env("TERM") == "dumb" || !utf8Locale(env)}
	if !isTerminal(w) {
		return o
	}
	o.Colour = env("NO_COLOR") == "" && env("TERM") != "dumb"
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			o.Width = columns
		}
	}
	return o
}

// utf8Locale is true unless the locale, where one is set, names other characters.
func utf8Locale(env func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := env(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return true
}
