package corpus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sigattn/sigattn/internal/driver"
	"github.com/sigattn/sigattn/internal/emulator"
	"github.com/sigattn/sigattn/internal/emulator/cuda"
)

// Suits reports whether a device of a compute capability, such as 90, runs code for a target: sm_80 runs on it and on
// what is later, sm_90a on that one alone.
func Suits(target string, capability int) bool {
	number, exact := strings.CutSuffix(strings.TrimPrefix(target, "sm_"), "a")
	n, err := strconv.Atoi(number)
	return err == nil && (n == capability || n < capability && !exact)
}

// Emulate runs a program on the emulator and returns what its outputs hold. An error is the driver's, or what the
// emulator found wrong.
func Emulate(p *Program, o emulator.Options) (outputs []byte, err error) {
	d := cuda.New(o)
	err = driver.WithStandIn(d, func() error {
		return driver.WithPrimary(0, func() (err error) {
			outputs, err = Execute(p)
			return err
		})
	})
	return outputs, errors.Join(append(d.TakeFaults(), err)...)
}

// freeShared is how much shared memory a kernel gets unasked.
const freeShared = 48 << 10

// Execute runs a program on the current context's device and returns what its outputs hold.
func Execute(p *Program) (outputs []byte, err error) {
	module, err := driver.LoadPTX([]byte(p.Text))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, module.Unload()) }()
	f, err := module.Function("corpus")
	if err != nil {
		return nil, err
	}
	if p.SharedBytes > freeShared {
		if err := f.SetAttribute(driver.FuncMaxSharedBytes, p.SharedBytes); err != nil {
			return nil, err
		}
	}
	var buffers []driver.DevicePtr
	defer func() {
		for _, b := range buffers {
			err = errors.Join(err, driver.Free(b))
		}
	}()
	allocate := func(n int) (driver.DevicePtr, error) {
		b, err := driver.Alloc(int64(n))
		if err == nil {
			buffers = append(buffers, b)
		}
		return b, err
	}
	outputs = make([]byte, p.OutputBytes())
	to, err := allocate(len(outputs))
	if err != nil {
		return nil, err
	}
	if err := driver.Memset(to, poison, int64(len(outputs))); err != nil {
		return nil, err
	}
	var from []uint64
	for _, in := range p.Inputs {
		b, err := allocate(len(in))
		if err != nil {
			return nil, err
		}
		if err := driver.CopyToDevice(b, in); err != nil {
			return nil, err
		}
		from = append(from, uint64(b))
	}
	var maps []driver.TensorMap
	for i := range p.Tensors {
		t := &p.Tensors[i]
		m, err := t.encode(buffers[t.Buffer])
		if err != nil {
			return nil, err
		}
		maps = append(maps, m)
	}
	if err := launch(p, f, p.params(uint64(to), from, maps)); err != nil {
		return nil, err
	}
	return outputs, driver.CopyToHost(outputs, to)
}

// launch runs the kernel to its end. The driver copies as much of the block as the entry declares.
func launch(p *Program, f driver.Function, params []byte) error {
	var block [driver.MaxParamBytes / 8]uint64
	if len(params) > driver.MaxParamBytes {
		return fmt.Errorf("%d bytes of parameters, at most %d are possible", len(params), driver.MaxParamBytes)
	}
	params = append(params[:len(params):len(params)], make([]byte, 7)...)
	for i := range len(params) / 8 {
		block[i] = binary.LittleEndian.Uint64(params[8*i:])
	}
	l := driver.Launch{Blocks: uint32(p.Blocks), Threads: uint32(p.Threads), SharedBytes: uint32(p.SharedBytes)}
	if err := driver.LaunchKernel(f, l, &block); err != nil {
		return err
	}
	return driver.Synchronize()
}
