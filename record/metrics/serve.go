package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Bounds of a scrape: nobody's connection keeps a recording from its end.
const (
	headerTimeout = 5 * time.Second
	writeTimeout  = 10 * time.Second
	idleTimeout   = time.Minute
	maxScrapes    = 4
	closeTimeout  = time.Second
)

// ParseAddr reads where to serve: "HOST:PORT", or ":PORT" or "PORT", which is
// the loopback's. Port 0 is any free one.
func ParseAddr(s string) (string, error) {
	if _, err := strconv.ParseUint(s, 10, 16); err == nil {
		s = ":" + s
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("%q: want PORT, on the loopback, or HOST:PORT", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q: port %q: want a number from 0 to 65535", s, port)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// Server serves one Recording.
type Server struct {
	http *http.Server
	done chan struct{}
}

// Serve answers GET /metrics on l until Close, which closes l.
func Serve(l net.Listener, r *Recording) (*Server, error) {
	reg := prometheus.NewRegistry()
	if err := reg.Register(r); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		Registry: nil, MaxRequestsInFlight: maxScrapes, Timeout: writeTimeout,
	}))
	s := &Server{done: make(chan struct{}), http: &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: 1 << 14,
	}}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // ends by Close; a recording goes on without
	}()
	return s, nil
}

// Close lets scrapes under way finish, for a second at most.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	<-s.done
	return err
}
