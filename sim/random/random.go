// Package random is where the randomness of a run comes from: a stream for each
// component, named after it, so that adding one disturbs no other.
package random

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// Rand draws numbers.
type Rand = rand.Rand

// Stream is the random stream of the component called name in a run with the
// given seed. Streams of different names are independent, and none depends on
// which others exist: PCG keyed by the SHA-256 of seed and name.
func Stream(seed uint64, name string) *Rand {
	b := binary.BigEndian.AppendUint64(nil, seed)
	s := sha256.Sum256(append(b, name...))
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(s[:]), binary.BigEndian.Uint64(s[8:])))
}
