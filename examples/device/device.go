// Package device is the little of CUDA that a program needs around sigattn's kernels: a context, memory, and a way to wait.
// A program that has a CUDA library already uses that one instead, as examples/besidecu does.
package device

import (
	"errors"
	"runtime"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/internal/driver"
)

// Device is a GPU whose primary context is current on the thread of the goroutine that opened it.
type Device struct {
	device driver.Device
	before driver.Context // what was current
	memory []driver.DevicePtr
}

// Open makes the GPU with this ordinal, counted from 0, the calling goroutine's, and keeps the goroutine on its thread
// until Close, which the same goroutine calls. Its error wraps sigattn.ErrNoDriver where there is no driver or no GPU.
func Open(ordinal int) (*Device, error) {
	device, err := driver.DeviceAt(ordinal)
	if err != nil {
		return nil, err
	}
	context, err := device.RetainPrimary()
	if err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	d := &Device{device: device}
	if d.before, err = driver.CurrentContext(); err == nil {
		err = context.SetCurrent()
	}
	if err != nil {
		runtime.UnlockOSThread()
		return nil, errors.Join(err, device.ReleasePrimary())
	}
	return d, nil
}

// Name is the product's name.
func (d *Device) Name() (string, error) { return d.device.Name() }

// Close waits for the GPU, frees what was allocated, and lets the goroutine leave its thread.
func (d *Device) Close() error {
	defer runtime.UnlockOSThread()
	errs := []error{driver.Synchronize()}
	for _, p := range d.memory {
		errs = append(errs, driver.Free(p))
	}
	d.memory = nil
	return errors.Join(append(errs, d.before.SetCurrent(), d.device.ReleasePrimary())...)
}

// Synchronize waits until all that was launched has run, and returns its first error.
func (d *Device) Synchronize() error { return driver.Synchronize() }

// Alloc allocates n bytes at a multiple of 256; no bytes are at address 0.
func (d *Device) Alloc(n int64) (sigattn.DevicePtr, error) {
	if n == 0 {
		return 0, nil
	}
	p, err := driver.Alloc(n)
	if err != nil {
		return 0, err
	}
	d.memory = append(d.memory, p)
	return sigattn.DevicePtr(p), nil
}

// BF16 allocates a dense tensor [batch, seqLen, heads, headDim] and fills it with the values rounded to bfloat16, in the
// order of its dimensions; with no values it is left as it is.
func (d *Device) BF16(batch, seqLen, heads, headDim int, values []float32) (sigattn.Tensor, error) {
	p, err := d.Alloc(2 * int64(batch) * int64(seqLen) * int64(heads) * int64(headDim))
	if err != nil {
		return sigattn.Tensor{}, err
	}
	t := sigattn.BSHD(p, batch, seqLen, heads, headDim)
	if values == nil {
		return t, nil
	}
	return t, d.WriteBF16(t, values)
}

// WriteBF16 fills a dense tensor of BF16's with as many values.
func (d *Device) WriteBF16(t sigattn.Tensor, values []float32) error {
	if err := checkLength(t, values); err != nil {
		return err
	}
	bits := make([]uint16, len(values))
	for i, v := range values {
		bits[i] = toBF16(v)
	}
	return driver.CopyToDevice(driver.DevicePtr(t.Data), bits)
}

// ReadBF16 is the values of a dense tensor of BF16's once all that was launched has run.
func (d *Device) ReadBF16(t sigattn.Tensor) ([]float32, error) {
	if err := driver.Synchronize(); err != nil {
		return nil, err
	}
	bits := make([]uint16, length(t))
	if err := driver.CopyToHost(bits, driver.DevicePtr(t.Data)); err != nil {
		return nil, err
	}
	values := make([]float32, len(bits))
	for i, b := range bits {
		values[i] = fromBF16(b)
	}
	return values, nil
}

// ReadFloat32 is the n values at p once all that was launched has run.
func (d *Device) ReadFloat32(p sigattn.DevicePtr, n int) ([]float32, error) {
	values := make([]float32, n)
	return values, errors.Join(driver.Synchronize(), driver.CopyToHost(values, driver.DevicePtr(p)))
}
