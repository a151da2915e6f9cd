package inject

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// The logs hold entries of logEntry bytes, little-endian.
const logEntry = 24

// sentEntry is what the source tells of one packet, in order of the Feed.
type sentEntry struct {
	// due and at are CLOCK_MONOTONIC in ns. at is when the kernel had taken the
	// packet; 0 if it was not sent.
	due, at int64
	len     uint32
	// why is set for what cannot be sent, errno for what the kernel refused.
	why   Why
	v6    bool
	errno uint16
}

// arrivalEntry is what the router tells of one packet of the queue, in order.
type arrivalEntry struct {
	at  int64 // CLOCK_MONOTONIC, ns
	tag tag
	len uint32
}

// receivedEntry is what the sink tells of one packet, in order.
type receivedEntry struct {
	at  int64 // CLOCK_MONOTONIC, ns
	tag tag
	len uint32
	ds  uint8
	// sums is what the transport checksum tells, where it was looked at.
	sums sums
}

func (e *sentEntry) put(b []byte) {
	binary.LittleEndian.PutUint64(b, uint64(e.due))
	binary.LittleEndian.PutUint64(b[8:], uint64(e.at))
	binary.LittleEndian.PutUint32(b[16:], e.len)
	b[20], b[21] = byte(e.why), 0
	if e.v6 {
		b[21] = 1
	}
	binary.LittleEndian.PutUint16(b[22:], e.errno)
}

func (e *sentEntry) get(b []byte) {
	e.due, e.at = int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
	e.len, e.why, e.v6 = binary.LittleEndian.Uint32(b[16:]), Why(b[20]), b[21] != 0
	e.errno = binary.LittleEndian.Uint16(b[22:])
}

func (e *arrivalEntry) put(b []byte) {
	(&receivedEntry{at: e.at, tag: e.tag, len: e.len}).put(b)
}

func (e *arrivalEntry) get(b []byte) {
	var r receivedEntry
	r.get(b)
	e.at, e.tag, e.len = r.at, r.tag, r.len
}

func (e *receivedEntry) put(b []byte) {
	clear(b[:logEntry])
	binary.LittleEndian.PutUint64(b, uint64(e.at))
	binary.LittleEndian.PutUint32(b[8:], uint32(e.tag))
	binary.LittleEndian.PutUint32(b[12:], e.len)
	b[16], b[17] = e.ds, byte(e.sums)
}

func (e *receivedEntry) get(b []byte) {
	e.at, e.tag = int64(binary.LittleEndian.Uint64(b)), tag(binary.LittleEndian.Uint32(b[8:]))
	e.len, e.ds, e.sums = binary.LittleEndian.Uint32(b[12:]), b[16], sums(b[17])
}

// logWriter writes entries in a goroutine of its own, so that a slow disk does
// not delay packets. About two million entries may wait for the disk; then it
// does delay them, since a log with gaps explains nothing.
type logWriter struct {
	open []byte
	full chan []byte
	free chan []byte
	done chan error
}

const logPage = 2048 * logEntry

func newLogWriter(w io.Writer) *logWriter {
	l := &logWriter{full: make(chan []byte, 1024), free: make(chan []byte, 1024), done: make(chan error, 1)}
	go func() {
		var err error
		for p := range l.full {
			if err == nil {
				_, err = w.Write(p)
			}
			select {
			case l.free <- p[:0]:
			default:
			}
		}
		l.done <- err
	}()
	return l
}

// next is room for one entry. It is for one goroutine.
func (l *logWriter) next() []byte {
	if len(l.open)+logEntry > cap(l.open) {
		l.flush()
		select {
		case l.open = <-l.free:
		default:
			l.open = make([]byte, 0, logPage)
		}
	}
	n := len(l.open)
	l.open = l.open[:n+logEntry]
	return l.open[n:]
}

func (l *logWriter) flush() {
	if len(l.open) > 0 {
		l.full <- l.open
	}
	l.open = nil
}

// close writes what is left.
func (l *logWriter) close() error {
	l.flush()
	close(l.full)
	if err := <-l.done; err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	return nil
}

// logReader reads entries one by one.
type logReader struct {
	r   *bufio.Reader
	buf [logEntry]byte
}

func newLogReader(r io.Reader) *logReader { return &logReader{r: bufio.NewReaderSize(r, 64<<10)} }

// next reads an entry with get; false at the end of the log. A log that ends
// within an entry ends before it.
func (l *logReader) next(get func([]byte)) (bool, error) {
	switch _, err := io.ReadFull(l.r, l.buf[:]); err {
	case nil:
		get(l.buf[:])
		return true, nil
	case io.EOF, io.ErrUnexpectedEOF:
		return false, nil
	default:
		return false, fmt.Errorf("read log: %w", err)
	}
}
