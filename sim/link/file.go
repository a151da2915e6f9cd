package link

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/uqtool/uq/sim/tc"
)

// file is what a link was read from: its name, and the beginning of the SHA-256
// of its content, by which the same words mean the same link.
type file struct {
	File string
	Sum  string // hexadecimal
}

const (
	// sumDigits is how much of a digest is printed, minSumDigits the least that is
	// taken for one.
	sumDigits    = 16
	minSumDigits = 8
	// maxFile is the largest file that is read, in bytes.
	maxFile = 256 << 20
)

// loader is a link that is read from a file.
type loader interface {
	source() *file
	load(data []byte) error
}

func (f *file) source() *file { return f }

func (f *file) options(kind, help string) tc.Options {
	name := func(words []string) (int, error) {
		if len(words) == 0 {
			return 0, fmt.Errorf("want the name of a file")
		}
		f.File = words[0]
		return 1, nil
	}
	sum := func(words []string) (int, error) {
		if len(words) == 0 {
			return 0, CheckSum("")
		}
		if err := CheckSum(words[0]); err != nil {
			return 0, err
		}
		f.Sum = words[0]
		return 1, nil
	}
	return tc.Options{
		tc.Values(kind, "FILE", help, name, func() tc.Field { return tc.Field{Key: kind, Bare: true, Text: f.File} }),
		tc.Values("sha256", "DIGITS", "how the file's SHA-256 must begin (any)", sum, func() tc.Field {
			return tc.Field{Key: "sha256", Text: f.Sum, Hidden: f.Sum == ""}
		}),
	}
}

// read reads the file of l, if it has one, and holds it to its digest.
func (e *Env) read(l Link) error {
	d, ok := l.(loader)
	if !ok {
		return nil
	}
	f := d.source()
	if f.File == "" {
		return fmt.Errorf("%s needs a file: write \"%s FILE\"", l.Kind(), l.Kind())
	}
	data, sum, err := e.Pinned(l.Kind(), f.File, f.Sum)
	if err != nil {
		return err
	}
	f.Sum = sum
	if err := d.load(data); err != nil {
		return fmt.Errorf("%s %s: %w", l.Kind(), f.File, err)
	}
	return nil
}

// Pinned reads a file that the word kind names, holds it to how its SHA-256 must
// begin, and returns as much of that as is printed.
func (e *Env) Pinned(kind, name, sum string) (data []byte, pinned string, err error) {
	if e.ReadFile == nil {
		return nil, "", fmt.Errorf("%s %s: no files can be read here: give a rate", kind, name)
	}
	if data, err = e.ReadFile(name); err != nil {
		return nil, "", fmt.Errorf("%s needs its file: %w", kind, err)
	}
	if len(data) > maxFile {
		return nil, "", fmt.Errorf("%s %s has %d bytes: want at most %d", kind, name, len(data), maxFile)
	}
	digest := sha256.Sum256(data)
	all := hex.EncodeToString(digest[:])
	if !strings.HasPrefix(all, sum) {
		return nil, "", fmt.Errorf("%s %s is another file than the link was described with: its sha256 begins with %s, not %s: find that file, or leave sha256 out",
			kind, name, all[:max(len(sum), minSumDigits)], sum)
	}
	return data, all[:sumDigits], nil
}

// CheckSum says whether digits can begin a SHA-256.
func CheckSum(digits string) error {
	if len(digits) < minSumDigits || len(digits) > 2*sha256.Size || strings.Trim(digits, "0123456789abcdef") != "" {
		return fmt.Errorf("want at least the first %d digits that sha256sum prints for the file", minSumDigits)
	}
	return nil
}

// Pin returns the words of l with the digest of its file added, so that they
// mean the same link for ever or none. spec are the words New made l of.
func Pin(spec string, l Link) string {
	if pinned, ok := pinForeign(spec, l); ok {
		return pinned
	}
	if n, ok := l.(*Netem); ok {
		l = n.wire
	}
	d, ok := l.(loader)
	words := strings.Fields(spec)
	if !ok || len(words) < 2 {
		return spec
	}
	for _, w := range words {
		if w == "sha256" {
			return spec
		}
	}
	pinned := append([]string{words[0], words[1], "sha256", d.source().Sum}, words[2:]...)
	return strings.Join(pinned, " ")
}
