package corpus

import (
	"bytes"
	"fmt"

	"github.com/sigattn/sigattn/internal/driver"
)

// Device is a GPU that programs are recorded on.
type Device struct {
	Name       string
	Driver     string // the CUDA version that the driver implements
	Capability int    // such as 90
}

// CurrentDevice is the current context's.
func CurrentDevice() (Device, error) {
	var of Device
	d, err := driver.CurrentDevice()
	if err != nil {
		return of, err
	}
	if of.Name, err = d.Name(); err != nil {
		return of, err
	}
	if of.Capability, err = d.Capability(); err != nil {
		return of, err
	}
	major, minor, err := driver.Version()
	of.Driver = fmt.Sprintf("%d.%d", major, minor)
	return of, err
}

// Record runs a program on the current context's device. It runs it twice, since what differs between runs is no truth
// to hold anything to.
func Record(p *Program, on Device) (*Golden, error) {
	first, err := Execute(p)
	if err != nil {
		return nil, err
	}
	second, err := Execute(p)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, fmt.Errorf("two runs of %s differ: %q", p.Name, Compare(p, first, second))
	}
	return &Golden{Device: on.Name, Driver: on.Driver, Digest: p.Digest(), Output: first}, nil
}
