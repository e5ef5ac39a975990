//go:build race

package memory_test

// raceDetector: everything is several times slower.
const raceDetector = true
