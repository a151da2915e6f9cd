package cli

import (
	"io"
	"os"
	"path/filepath"
)

// places are the files that a command will write. It finds those that would take
// the place of another, or of what the command reads, before anything is done.
type places struct {
	writes []spot
}

// spot is a file by whatever name; a device or pipe, which any number may write
// to, is none.
type spot struct {
	flag, name string
	// info is the file's, nil if there is none yet: then it is known by path,
	// absolute and without links.
	info os.FileInfo
	path string
}

// locate finds a name's file; ok is false if it is not one.
func locate(name string) (p spot, ok bool) {
	p.name = name
	st, err := os.Stat(name)
	if err == nil {
		p.info = st
		return p, st.Mode().IsRegular() || st.IsDir()
	}
	if p.path, err = filepath.Abs(name); err != nil {
		p.path = filepath.Clean(name)
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(p.path)); err == nil {
		p.path = filepath.Join(dir, filepath.Base(p.path))
	}
	return p, name != "" && name != "-"
}

// opened is the file behind a standard stream, if it is one.
func opened(stream any) (p spot, ok bool) {
	f, ok := stream.(*os.File)
	if !ok {
		return p, false
	}
	st, err := f.Stat()
	return spot{info: st}, err == nil && st.Mode().IsRegular()
}

func (p spot) same(q spot) bool {
	if p.info == nil || q.info == nil {
		return p.info == nil && q.info == nil && p.path == q.path
	}
	return os.SameFile(p.info, q.info)
}

// write takes note of a file that a flag names, unless another flag did.
func (ps *places) write(flag, name string) error {
	p, ok := locate(name)
	if !ok {
		return nil
	}
	for _, q := range ps.writes {
		if p.same(q) {
			return usageErrorf("%s %s: %s writes that file, too: name another", flag, name, q.flag)
		}
	}
	p.flag = flag
	ps.writes = append(ps.writes, p)
	return nil
}

// read refuses an input that is to be written to; what says what it is. It may
// be called by several goroutines at a time.
func (ps *places) read(what, name string) error {
	if p, ok := locate(name); ok {
		return ps.apart(what, p)
	}
	return nil
}

func (ps *places) apart(what string, p spot) error {
	for _, q := range ps.writes {
		if p.same(q) {
			return usageErrorf("%s %s: that is %s, which it would overwrite: name another file", q.flag, q.name, what)
		}
	}
	return nil
}

// trace is read for a trace's name as a command has it: standard input is one.
func (ps *places) trace(s *streams, what, name string) error {
	switch p, ok := opened(s.in); {
	case isCorpus(name):
		return nil
	case name == "-" && ok:
		return ps.apart("standard input", p)
	}
	return ps.read(what, name)
}

// output is for a command that writes to standard output, too.
func (ps *places) output(w io.Writer) error {
	if p, ok := opened(w); ok {
		return ps.apart("standard output", p)
	}
	return nil
}

// guard returns s with links that do not read what is to be written to.
func (ps *places) guard(s *streams) *streams {
	own := *s
	if read := s.ports.ReadFile; read != nil {
		own.ports.ReadFile = func(name string) ([]byte, error) {
			if err := ps.read("a file that the link reads", name); err != nil {
				return nil, err
			}
			return read(name)
		}
	}
	return &own
}
