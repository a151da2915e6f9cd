package figure

import (
	"fmt"
	"io"
	"strings"

	"github.com/uqtool/uq/sim/report/svg"
)

// WriteSheet writes all figures below each other as one SVG, with their titles.
func WriteSheet(w io.Writer, figs []Figure, t svg.Theme) error {
	const head = 34
	b, y := &strings.Builder{}, 0.0
	for i, f := range figs {
		one := t
		one.Prefix = fmt.Sprintf("%sf%d-", t.Prefix, i)
		d := f.Draw(one, PaperWidth)
		y += head
		fmt.Fprintf(b, `<text x="12" y="%.0f" font-size="15" font-weight="600" fill="%s">%s</text>`+"\n", y-10, t.Ink, f.Title)
		b.WriteString(strings.Replace(d.String(), "<svg ", fmt.Sprintf(`<svg x="0" y="%.0f" `, y), 1))
		y += d.Height
	}
	size := fmt.Sprintf(`width="%d" height="%.0f"`, PaperWidth, y)
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" %s viewBox="0 0 %d %.0f" font-family="%s">
<rect %s fill="%s"/>
%s</svg>
`, size, PaperWidth, y, t.Font, size, t.Paper, b)
	return err
}
