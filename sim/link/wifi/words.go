package wifi

import "github.com/uqtool/uq/sim/tc"

// Kind implements link.Link.
func (m *Medium) Kind() string { return "wifi" }

// Options implements link.Link.
func (m *Medium) Options() []tc.Field { return nil }
