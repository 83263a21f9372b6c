package verify

import (
	"errors"

	"github.com/sigattn/sigattn/internal/driver"
	"github.com/sigattn/sigattn/internal/emulator"
	"github.com/sigattn/sigattn/internal/emulator/cuda"
)

// emulated is a Device by the driver that runs PTX on the CPU: the calls of a GPU, but what a kernel does wrong is found
// while it runs and ends nothing.
type emulated struct {
	gpu
	driver *cuda.Driver
}

// emulation is how a run's kernels are emulated: with every check, and in an order of warps and asynchronous copies that
// the seed chooses among those that hardware may take.
func emulation(o Options) emulator.Options {
	return emulator.Options{Seed: o.Seed, Preempt: true, Copies: emulator.Random, CheckGlobal: o.Bare}
}

// withEmulator calls f with an emulated device. Meanwhile every driver call of the process goes to it.
func withEmulator(o emulator.Options, f func(Device) error) error {
	d := cuda.New(o)
	return withStandIn(d, d, f)
}

// withStandIn is withEmulator for a stand-in that passes calls on to d, or d itself.
func withStandIn(in driver.StandIn, d *cuda.Driver, f func(Device) error) error {
	return driver.WithStandIn(in, func() error {
		return withGPU(0, func(on Device) error { return f(&emulated{*on.(*gpu), d}) })
	})
}

// Synchronize returns what the launches since the last call were found to do wrong. Such an error does not wrap
// sigattn.ErrCUDA: the device goes on.
func (e *emulated) Synchronize() error {
	return errors.Join(append(e.driver.TakeFaults(), e.gpu.Synchronize())...)
}
