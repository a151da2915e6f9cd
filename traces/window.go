package traces

import (
	"fmt"
	"io"
)

// window is a sliding view of a stream. It grows only as data really arrives,
// so a length read from the stream cannot make it allocate.
type window struct {
	r          io.Reader
	buf        []byte
	start, end int
	off        int64 // of buf[start] in the stream
	err        error // of r, once it came
}

// windowChunk is how much is read at once.
const windowChunk = 128 << 10

// peek returns the next n bytes without consuming them, fewer at the end of the
// stream or on an error, which is then in w.err.
func (w *window) peek(n int) []byte {
	for w.end-w.start < n && w.err == nil {
		w.fill()
	}
	return w.buf[w.start:min(w.start+n, w.end)]
}

func (w *window) fill() {
	if len(w.buf)-w.end < windowChunk {
		if w.start > 0 {
			w.end = copy(w.buf, w.buf[w.start:w.end])
			w.start = 0
		}
		if len(w.buf)-w.end < windowChunk {
			bigger := make([]byte, 2*len(w.buf)+2*windowChunk)
			copy(bigger, w.buf[:w.end])
			w.buf = bigger
		}
	}
	for range maxEmptyReads {
		n, err := w.r.Read(w.buf[w.end:])
		w.end += n
		w.err = err
		if n > 0 || err != nil {
			return
		}
	}
	w.err = io.ErrNoProgress
}

// maxEmptyReads is how often a stream may give nothing before it counts as
// broken.
const maxEmptyReads = 100

// skip consumes n bytes that peek returned.
func (w *window) skip(n int) {
	w.start += n
	w.off += int64(n)
}

// toMarker consumes up to the next marker prefix and reports whether there is
// one.
func (w *window) toMarker() bool {
	for {
		have := w.peek(windowChunk)
		at, found := findMarker(have)
		w.skip(at)
		if found {
			return true
		}
		if len(w.peek(len(markerPrefix))) < len(markerPrefix) {
			return false
		}
	}
}

// cut explains why peek returned too little.
func (w *window) cut() error {
	if w.err == nil || w.err == io.EOF {
		return ErrTruncated
	}
	return fmt.Errorf("read the trace: %w", w.err)
}
