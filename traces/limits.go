package traces

import "github.com/uqtool/uq/sim/pkt"

// The version of the format this package writes. A reader takes every minor
// version of its major one and refuses other majors.
const (
	Major = 1
	Minor = 0
)

// Limits of the format. A reader refuses what exceeds them before it allocates
// anything, so a hostile file cannot make it use more memory than a few blocks.
const (
	// MaxBlockBytes bounds the decoded size of a block; 65536 records of the
	// widest kind, each of its own flow and path, need half of it.
	MaxBlockBytes = 16 << 20
	// MaxBlockRecords bounds the records (or events) of a block.
	MaxBlockRecords = 1 << 16
	// DefaultBlockRecords is when a writer closes a packets block by itself.
	DefaultBlockRecords = 8192
	// MaxEventText bounds an event's text in bytes; a longer one is cut.
	MaxEventText = 4096
	// MaxTime bounds times, -MaxTime <= t < MaxTime, to 73 years, so that
	// differences of differences cannot overflow.
	MaxTime pkt.Time = 1 << 61
)

// maxFrameBytes bounds a compressed frame: what zstd makes of MaxBlockBytes
// that do not compress.
const maxFrameBytes = MaxBlockBytes + MaxBlockBytes/128 + 4096

// blockEvents is how many pending events make a writer flush.
const blockEvents = 1024
