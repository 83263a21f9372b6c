package verify

import (
	"errors"
	"fmt"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/internal/driver"
)

// gpu is a Device by the CUDA driver, in the primary context of one GPU.
type gpu struct {
	ordinal int
	machine Machine
	streams [2]driver.Stream
}

// withGPU calls f with the GPU of this ordinal on a thread that holds its context. Without a driver or a device the
// error wraps sigattn.ErrNoDriver.
func withGPU(ordinal int, f func(Device) error) error {
	return driver.WithPrimary(ordinal, func() (err error) {
		g := &gpu{ordinal: ordinal}
		if err := g.describe(); err != nil {
			return err
		}
		for i := range g.streams {
			if g.streams[i], err = driver.NewStream(); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, g.streams[i].Destroy()) }()
		}
		return f(g)
	})
}

func (g *gpu) describe() error {
	d, err := driver.DeviceAt(g.ordinal)
	if err != nil {
		return err
	}
	if g.machine.Name, err = d.Name(); err != nil {
		return err
	}
	capability, err := d.Capability()
	if err != nil {
		return err
	}
	g.machine.Arch = sigattn.Arch(capability)
	if g.machine.Memory, err = d.TotalMemory(); err != nil {
		return err
	}
	major, minor, err := driver.Version()
	g.machine.Driver = fmt.Sprintf("%d.%d", major, minor)
	return err
}

func (g *gpu) Machine() Machine { return g.machine }

func (g *gpu) FreeMemory() (int64, error) {
	free, _, err := driver.MemoryInfo()
	return free, err
}

func (g *gpu) Alloc(n int64) (sigattn.DevicePtr, error) {
	p, err := driver.Alloc(n)
	return sigattn.DevicePtr(p), err
}

func (g *gpu) Free(p sigattn.DevicePtr) error { return driver.Free(driver.DevicePtr(p)) }

func (g *gpu) Write(dst sigattn.DevicePtr, src []uint16) error {
	return driver.CopyToDeviceAsync(driver.DevicePtr(dst), src, g.streams[0])
}

func (g *gpu) Read(dst []uint16, src sigattn.DevicePtr) error {
	return driver.CopyToHostAsync(dst, driver.DevicePtr(src), g.streams[0])
}

func (g *gpu) Fill(dst sigattn.DevicePtr, word uint32, n int64) error {
	return driver.MemsetWordsAsync(driver.DevicePtr(dst), word, n, g.streams[0])
}

func (g *gpu) Load(p *sigattn.Package) (Kernel, error) {
	var k *sigattn.Kernel
	err := driver.WithPrimary(g.ordinal, func() (err error) {
		k, err = sigattn.Load(p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

func (g *gpu) Stream() sigattn.Stream { return sigattn.Stream(g.streams[0]) }
func (g *gpu) Beside() sigattn.Stream { return sigattn.Stream(g.streams[1]) }

func (g *gpu) Synchronize() error {
	return errors.Join(g.streams[0].Synchronize(), g.streams[1].Synchronize())
}

// Capture records on the second stream, so that the first never captures anything else.
func (g *gpu) Capture(launch func(sigattn.Stream) error) (replay, release func() error, err error) {
	on := g.streams[1]
	if err := on.BeginCapture(); err != nil {
		return nil, nil, err
	}
	launchErr := launch(sigattn.Stream(on))
	graph, err := on.EndCapture()
	if err = errors.Join(launchErr, err); err != nil {
		return nil, nil, err
	}
	instance, err := graph.Instantiate()
	if err = errors.Join(err, graph.Destroy()); err != nil {
		return nil, nil, err
	}
	return func() error { return instance.Launch(g.streams[0]) }, instance.Destroy, nil
}
