package bench

import (
	"errors"

	"github.com/sigattn/sigattn/internal/driver"
)

// copyBytes is far more than any chip's L2 cache holds.
const copyBytes = 512 << 20

// describe reads the current device's properties and measures its copy rate.
func (g *board) describe() (Device, error) {
	current, err := driver.CurrentDevice()
	if err != nil {
		return Device{}, err
	}
	name, err := current.Name()
	if err != nil {
		return Device{}, err
	}
	capability, err := current.Capability()
	if err != nil {
		return Device{}, err
	}
	sms, err := current.Attribute(driver.MultiprocessorCount)
	if err != nil {
		return Device{}, err
	}
	clock, err := current.Attribute(driver.ClockRateKHz)
	if err != nil {
		return Device{}, err
	}
	rate, err := g.copyRate()
	if err != nil {
		return Device{}, err
	}
	return Device{Name: name, Capability: capability, SMs: sms, ClockHz: float64(clock) * 1e3, CopyBytesSec: rate}, nil
}

// copyRate is the rate of a large copy within device memory, in bytes read plus bytes written per second.
func (g *board) copyRate() (rate float64, err error) {
	var from, to buffer
	defer func() { err = errors.Join(err, from.free(), to.free()) }()
	for _, b := range []*buffer{&from, &to} {
		if _, err := b.grow(copyBytes); err != nil {
			return 0, err
		}
	}
	ms, err := g.time(func() error { return driver.CopyAsync(to.data, from.data, copyBytes, g.stream) }, 2, 5)
	if err != nil {
		return 0, err
	}
	return 2 * copyBytes / Median(ms) * 1e3, nil
}
