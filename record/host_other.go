//go:build !linux

package record

// monotonic is unknown here, where nothing can be recorded either.
func monotonic() int64 { return 0 }

func kernelRelease() string { return "" }
