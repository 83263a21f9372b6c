//go:build !race

package sigattn

const raceDetector = false
