package traces

import (
	"errors"
	"io"
)

// maxPlaces is how many damaged places a salvaging reader passes over before it
// gives up.
const maxPlaces = 1000

// Salvage reads a damaged trace: unlike NewReader's, its Reader goes on after
// damage at the next whole block, even without a header. Next and NextBlock
// return the *Damage, with a sum of what is missing, at the end of the stream
// instead of at the first damaged place. It gives up after 1000 such places.
func Salvage(r io.Reader) (*Reader, error) {
	tr, err := newReader(r)
	if err != nil {
		return nil, err
	}
	tr.salvage = true
	if err = tr.readHeader(); err == nil {
		return tr, nil
	}
	if errors.Is(err, ErrVersion) || !tr.findStart() {
		return nil, err
	}
	tr.damage = &Damage{Places: 1, Err: err}
	return tr, nil
}

// findStart goes to the first block of a stream that does not begin with a
// header, and takes its word for which trace this is.
func (r *Reader) findStart() bool {
	for range maxPlaces {
		if !r.in.toMarker() {
			return false
		}
		m, err := r.peekMarker()
		switch {
		case err != nil:
		case m.typ != headerBlock:
			r.trace = m.trace
			return true
		case r.readHeader() == nil:
			return true
		}
		r.in.skip(1)
	}
	return false
}
