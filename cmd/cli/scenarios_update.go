package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/uqtool/uq/sim/scenario"
)

// update writes the digests into the files, and takes them for what was wanted.
func (u *suite) update(w io.Writer) error {
	var errs []error
	for _, f := range u.files {
		text := f.text
		for i := range f.Runs {
			digests, ok := u.digestsOf(f, i)
			if !ok || f.Runs[i].NoDigests {
				continue
			}
			t, err := scenario.SetDigests(text, i, digests)
			if err != nil {
				errs = append(errs, usageErrorf("%s: run %q: %w", f.Name, f.Runs[i].Name, err))
				continue
			}
			text = t
			u.accept(f, i)
		}
		if text == f.text {
			continue
		}
		if err := replaceFile(f.Name, text); err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintf(w, "updated %s\n", printable(f.Name, ""))
	}
	return errors.Join(errs...)
}

// digestsOf are all digests of a run, unless a case could not be run.
func (u *suite) digestsOf(f *scenarioFile, run int) (ds []scenario.Digest, ok bool) {
	for _, c := range u.cases {
		if c.file != f || c.index != run {
			continue
		}
		if c.err != nil {
			return nil, false
		}
		for _, d := range c.digests {
			if d.Got != "" {
				ds = append(ds, scenario.Digest{Key: d.Key, Value: d.Got})
			}
		}
	}
	return ds, true
}

func (u *suite) accept(f *scenarioFile, run int) {
	for _, c := range u.cases {
		if c.file == f && c.index == run {
			c.digests = slices.DeleteFunc(c.digests, func(d digestOutcome) bool { return d.Got == "" })
			for i := range c.digests {
				c.digests[i].Want, c.digests[i].Recorded = c.digests[i].Got, true
			}
		}
	}
}

// replaceFile writes a file's new text beside it, then puts it in its place.
func replaceFile(name, text string) error {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	st, err := os.Stat(name)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("update %s: %w", name, err)
	}
	_, err = tmp.WriteString(text)
	err = errors.Join(err, tmp.Chmod(st.Mode().Perm()), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("update %s: %w", name, err)
	}
	return nil
}
