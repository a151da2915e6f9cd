package cli

import (
	"fmt"
	"io"
	"os"
)

// maxLinkFile is the largest file that a link may be read from, in bytes.
const maxLinkFile = 256 << 20

// linkHelp describes --link.
const linkHelp = `"rate RATE [delay TIME [JITTER]] [overhead BYTES]", "schedule FILE" (mahimahi), "rate-file FILE", "unlimited" or "wifi STANDARD sta ADDRESS mcsN ..." (see --list), with tc netem's loss, reorder, duplicate, corrupt, slot`

// readLinkFile reads a file that a link's words name. It is read more than once,
// and a trace's header may name it: a pipe or device will not do.
func readLinkFile(name string) ([]byte, error) {
	st, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file, and it is read more than once: write it to one", name)
	case st.Size() == 0:
		// The kernel's own files have no size, and reading one may wait for ever.
		return nil, fmt.Errorf("%s is empty, or made as it is read: name a file that holds the link", name)
	case st.Size() > maxLinkFile:
		return nil, fmt.Errorf("%s has %d bytes: want at most %d", name, st.Size(), maxLinkFile)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxLinkFile+1))
}
