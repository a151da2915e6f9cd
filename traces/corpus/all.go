package corpus

import "embed"

//go:embed *.zst
var all embed.FS

// Read returns the bytes of one of the traces, such as "udp.zst". Programs that
// do not call it do not carry them.
func Read(name string) ([]byte, error) { return all.ReadFile(name) }

// Names lists the traces.
func Names() (names []string) {
	files, err := all.ReadDir(".")
	if err != nil {
		return nil // an embedded directory can be read
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}
