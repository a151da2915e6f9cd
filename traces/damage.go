package traces

import (
	"errors"
	"fmt"
)

// Damage is the error of a trace that could not be read to its end. What came
// before it is whole: every block has its checksum.
type Damage struct {
	// Offset is where in the file the (first) damage is, in bytes.
	Offset int64
	// Record is the number of the first record that could not be read.
	Record uint64
	// Recovered is how many records were delivered in all.
	Recovered uint64
	// Lost is how many records are known to be missing between those that were
	// delivered; only Salvage can know.
	Lost uint64
	// Places is how many damaged places were met; more than 1 only with Salvage.
	Places int
	// Err is the (first) cause.
	Err error
}

// Error says where, how much was recovered and why.
func (d *Damage) Error() string {
	if d.Places == 1 && errors.Is(d.Err, ErrTruncated) {
		return fmt.Sprintf("%v: %d records recovered", d.Err, d.Recovered)
	}
	s := fmt.Sprintf("trace is damaged at byte %d, record %d: %v: %d records recovered", d.Offset, d.Record, d.Err, d.Recovered)
	if errors.Is(d.Err, ErrAnotherTrace) {
		s += fmt.Sprintf(": head -c %d FILE is the first trace, tail -c +%d FILE the rest", d.Offset, d.Offset+1)
	}
	if d.Places > 1 || d.Lost > 0 {
		places := "places"
		if d.Places == 1 {
			places = "place"
		}
		s += fmt.Sprintf(", %d known lost at %d damaged %s", d.Lost, d.Places, places)
	}
	return s
}

// Unwrap returns the cause.
func (d *Damage) Unwrap() error { return d.Err }

// Causes of damage that callers may tell apart.
var (
	// ErrTruncated means that the trace has no end record: the recording was
	// cut, or is still going on.
	ErrTruncated = errors.New("trace is truncated: no end record")
	// ErrTrailing means that something follows the end record.
	ErrTrailing = errors.New("data after the end record")
	// ErrAnotherTrace means that a second trace begins in the same file.
	ErrAnotherTrace = errors.New("another trace begins here")
)

// ErrNotTrace means that the input is something else than a trace.
var ErrNotTrace = errors.New("not a uq trace")

// ErrUnusable means that a trace is whole but holds what no simulation can take:
// the error names the field.
var ErrUnusable = errors.New("cannot be simulated")
