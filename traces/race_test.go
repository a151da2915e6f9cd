//go:build race

package traces_test

// raceEnabled: sync.Pool then forgets at random, so pooled memory is allocated
// again.
const raceEnabled = true
