// Package builtin is the one list of links uq knows by name.
package builtin

import (
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/link/wifi"
)

// Kinds lists the links in the order help shows them. The list is the caller's:
// append to it what is to be known besides.
func Kinds() link.Kinds { return append(link.Wires(), wifi.Kind()) }

// New makes the built-in link that a line describes.
func New(line string, env link.Env) (link.Link, error) { return Kinds().New(line, env) }
