package corpus

import "embed"

//go:embed *.zst
var all embed.FS

// Read returns the bytes of one of the traces, such as "udp.zst". Programs that
// do not call it do not carry them.
func Read(name string) ([]byte, error) { return all.ReadFile(name) }
