package link

import (
	"fmt"
	"strings"

	"github.com/uqtool/uq/sim/tc"
)

// Kind is an entry of a list of links.
type Kind struct {
	// Name is the word it begins with.
	Name string
	// Summary is one line of help.
	Summary string
	// Usage is the synopsis, Options a line for each word.
	Usage, Options string
	// New makes one of a line that begins with the name. Its errors name the word.
	// A Kind without is no link but help.
	New func(line string, env Env) (Link, error)
}

// Kinds is a list of links in the order help shows them. To add one of your own,
// append to the list you pass on.
type Kinds []Kind

// Wires lists the links of this package.
func Wires() Kinds {
	kinds := Kinds{
		{Name: "rate", Summary: "a wire of a constant rate"},
		{Name: "rate-file", Summary: "a wire whose rate changes as a file of TIME,RATE says"},
		{Name: "schedule", Summary: "opportunities to send at the times of a mahimahi trace"},
		{Name: "unlimited", Summary: "sends at once: the queue never builds"},
	}
	for i, first := range []string{"rate RATE", "rate-file FILE", "schedule FILE", "unlimited"} {
		words := newWire(kinds[i].Name).words()
		kinds[i].Usage = words[1:].Usage(first) + " [ IMPAIRMENTS ] [ front IMPAIRMENTS ]"
		kinds[i].Options = words.Help()
		kinds[i].New = newWired
	}
	return kinds
}

// Impairments describe what may happen around a link, for help.
func Impairments() Kinds {
	var s stage
	behind, front := s.options(), s.frontOptions()
	return Kinds{
		{Name: "impairments", Summary: "what may happen to a packet behind any link, as tc's netem has it", Usage: behind.Usage("LINK"), Options: behind.Help()},
		{Name: "front", Summary: "what may happen to it before a wire, without costing airtime", Usage: front.Usage("LINK ... front"), Options: front.Help()},
	}
}

// MaxWords bounds a link's words, in bytes.
const MaxWords = 16 << 10

// New makes the link that a line describes. A line that begins with no link's
// name is a wire's: "delay 10ms rate 20mbit".
func (k Kinds) New(line string, env Env) (Link, error) {
	if len(line) > MaxWords {
		return nil, fmt.Errorf("link of %d bytes: want at most %d", len(line), MaxWords)
	}
	first := ""
	if words := strings.Fields(line); len(words) > 0 {
		first = words[0]
	}
	if kind, ok := k.Find(first); ok {
		return kind.New(line, env)
	}
	if n := tc.Nearest(first, k.Names()); n != "" {
		return nil, fmt.Errorf("link: What is %q? Did you mean %q? Known are %s", first, n, strings.Join(k.Names(), ", "))
	}
	return newWired(line, env)
}

// Find looks a link up by name.
func (k Kinds) Find(name string) (Kind, bool) {
	for _, kind := range k {
		if kind.Name == name && kind.New != nil {
			return kind, true
		}
	}
	return Kind{}, false
}

// Names are the links' names.
func (k Kinds) Names() (names []string) {
	for i := range k {
		if k[i].New != nil {
			names = append(names, k[i].Name)
		}
	}
	return names
}
