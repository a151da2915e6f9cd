package traffic

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// A TCP flow begins with one line from the client, "UP n cc" or "DOWN n cc": n
// bytes (0: until closed) in that direction under congestion control cc. The
// receiver of an UP flow of known size confirms it with one byte.
const (
	maxRequest = 64 // bytes of the line
	chunk      = 128 << 10

	webMin, webMax     = 5_000, 100_000
	thinkMin, thinkMax = 50 * time.Millisecond, 500 * time.Millisecond
	// flowTimeout bounds one web flow and the setup of a bulk flow.
	flowTimeout = 30 * time.Second
)

// dial opens a flow and sends its request.
func dial(ctx context.Context, addr, verb string, n int, cc string) (*net.TCPConn, string, error) {
	d := net.Dialer{Timeout: flowTimeout}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, "", err
	}
	conn, note := c.(*net.TCPConn), ""
	if err := setCongestion(conn, cc); err != nil {
		note, cc = fmt.Sprintf("no %s: the kernel's default", cc), "-"
	}
	if _, err := fmt.Fprintf(conn, "%s %d %s\n", verb, n, cc); err != nil {
		return nil, "", errors.Join(err, conn.Close())
	}
	return conn, note, nil
}

// runBulk sends or receives until ctx ends.
func (s source) runBulk(ctx context.Context, addr string, r *Report) error {
	verb := "UP"
	if s.down {
		verb = "DOWN"
	}
	conn, note, err := dial(ctx, addr, verb, 0, s.cc)
	if err != nil {
		return ended(ctx, err)
	}
	r.Note = note
	// Unblocks the copy; Close below resets the connection, or the socket
	// buffer would keep the bottleneck busy long after the end.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if s.down {
		n, err := io.CopyBuffer(io.Discard, onlyReader{conn}, make([]byte, chunk))
		r.Bytes = uint64(n)
		return errors.Join(ended(ctx, err), conn.SetLinger(0), conn.Close())
	}
	n, err := pour(conn, 0)
	if r.Bytes, note = bytesAcked(conn); note != "" {
		r.Bytes, r.Note = uint64(n), note
	}
	return errors.Join(ended(ctx, err), conn.SetLinger(0), conn.Close())
}

// ended forgets the error that our own deadline made.
func ended(ctx context.Context, err error) error {
	if over(ctx) {
		return nil
	}
	return err
}

// over says whether ctx has ended, or is about to: a dial gives up at ctx's
// deadline by a timer of its own, which may fire first.
func over(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(end) < 20*time.Millisecond
}

// onlyReader hides ReadFrom's and WriteTo's short cuts, which would splice past
// the buffer given.
type onlyReader struct{ io.Reader }

// pour writes n bytes, or without end when n is 0.
func pour(w io.Writer, n int64) (int64, error) {
	buf := make([]byte, chunk)
	var done int64
	for n == 0 || done < n {
		b := buf
		if n > 0 {
			b = buf[:min(int64(chunk), n-done)]
		}
		k, err := w.Write(b)
		done += int64(k)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// runWeb runs one short flow after another, with think times between.
func (s source) runWeb(ctx context.Context, addr string, r *Report) error {
	rnd := s.rand()
	for ctx.Err() == nil {
		size := webMin + rnd.IntN(webMax-webMin+1)
		think := thinkMin + time.Duration(rnd.Int64N(int64(thinkMax-thinkMin)))
		r.Sent++
		begin := time.Now()
		n, err := s.oneFlow(ctx, addr, size, r)
		r.Bytes += uint64(n)
		if err == nil {
			r.Received++
			r.Time.Add(time.Since(begin))
		} else if !over(ctx) {
			return err
		}
		sleep(ctx, think)
	}
	return nil
}

// oneFlow moves size bytes and reports how many arrived.
func (s source) oneFlow(ctx context.Context, addr string, size int, r *Report) (int, error) {
	verb := "UP"
	if s.down {
		verb = "DOWN"
	}
	conn, note, err := dial(ctx, addr, verb, size, s.cc)
	if err != nil {
		return 0, err
	}
	r.Note = note
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if err := conn.SetDeadline(time.Now().Add(flowTimeout)); err != nil {
		return 0, err
	}
	if s.down {
		n, err := io.Copy(io.Discard, onlyReader{conn})
		return int(n), err
	}
	if _, err := pour(conn, int64(size)); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return 0, err
	}
	return size, nil
}

// serveTCP answers one flow.
func serveTCP(conn *net.TCPConn) error {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReaderSize(conn, maxRequest)
	if err := conn.SetReadDeadline(time.Now().Add(flowTimeout)); err != nil {
		return err
	}
	line, err := in.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	var verb, cc string
	var n int64
	if _, err := fmt.Sscanf(strings.TrimSpace(string(line)), "%s %d %s", &verb, &n, &cc); err != nil || n < 0 {
		return fmt.Errorf("request %q: want UP or DOWN, bytes, congestion control", line)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	switch {
	case verb == "DOWN":
		if cc != "-" {
			_ = setCongestion(conn, cc) // the client has found it to exist
		}
		if n == 0 {
			_ = conn.SetLinger(0)
		}
		_, err = pour(conn, n)
	case n == 0:
		_, err = io.CopyBuffer(io.Discard, onlyReader{in}, make([]byte, chunk))
	default:
		if _, err = io.CopyN(io.Discard, in, n); err == nil {
			_, err = conn.Write([]byte{'.'})
		}
	}
	return err
}
