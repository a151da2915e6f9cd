package svg

// Theme is the colours and the font of a drawing.
type Theme struct {
	Paper string // behind everything; "" is transparent
	Ink   string // words
	Faint string // less important words
	Axis  string // frame and tick marks
	Grid  string
	Font  string // as font-family
	// Prefix keeps the names inside one drawing apart from those of another on
	// the same page.
	Prefix string
	// Colours are for series, in this order.
	Colours []string
	// Drop and Mark are for lost and marked packets.
	Drop, Mark string
}

// Paper is for print: Okabe and Ito's colours, which people with any colour
// vision tell apart, without their yellow, which white swallows.
var Paper = Theme{
	Paper: "#ffffff", Ink: "#1a1a1a", Faint: "#595959", Axis: "#595959", Grid: "#e3e3e3",
	Font:    "Helvetica, Arial, sans-serif",
	Colours: []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#595959"},
	Drop:    "#b3261e", Mark: "#7b5ea7",
}

// Page takes its colours from the page around the drawing, which defines them
// for light and dark as --ink, --faint, --axis, --grid, --drop, --mark and --c0
// to --c6.
func Page(prefix string) Theme {
	return Theme{
		Ink: "var(--ink)", Faint: "var(--faint)", Axis: "var(--axis)", Grid: "var(--grid)", Font: "inherit", Prefix: prefix,
		Colours: []string{"var(--c0)", "var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)", "var(--c6)"},
		Drop:    "var(--drop)", Mark: "var(--mark)",
	}
}

// Series is the colour number i; they begin again when they are used up.
func (t Theme) Series(i int) string { return t.Colours[i%len(t.Colours)] }

// Dash sets series apart whose colour is used for the second time, and so on.
func (t Theme) Dash(i int) string {
	return [...]string{"", "6 3", "2 2"}[i/len(t.Colours)%3]
}
