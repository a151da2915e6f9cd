//go:build !linux

package raw

import "errors"

// Socket sends packets.
type Socket struct{}

// Open is an error here.
func Open() (*Socket, error) { return nil, errors.New("open raw socket: needs Linux") }

// Send is an error here.
func (s *Socket) Send([]byte, uint32, uint32) error { return errors.New("send packet: needs Linux") }

// Close does nothing here.
func (s *Socket) Close() error { return nil }
