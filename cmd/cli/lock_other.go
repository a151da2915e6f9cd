//go:build !linux

package cli

import "os"

// lock does nothing: only Linux records.
func lock(*os.File) error { return nil }

func unlock(*os.File) {}
