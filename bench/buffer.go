package bench

import (
	"fmt"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/internal/driver"
)

// buffer is device memory that grows on demand and keeps nothing when it does.
type buffer struct {
	data  driver.DevicePtr
	bytes int64
}

// grow makes the buffer hold at least n bytes and says whether it had to be made anew.
func (b *buffer) grow(n int64) (bool, error) {
	if n <= b.bytes {
		return false, nil
	}
	if err := b.free(); err != nil {
		return false, err
	}
	data, err := driver.Alloc(n)
	if err != nil {
		return false, fmt.Errorf("%d MiB of device memory: %w", n>>20, err)
	}
	b.data, b.bytes = data, n
	return true, nil
}

func (b *buffer) free() error {
	if b.bytes == 0 {
		return nil
	}
	data := b.data
	*b = buffer{}
	return driver.Free(data)
}

// input is a buffer of N(0,1) values. It serves every shape that fits: any part of it is N(0,1) too.
type input struct {
	buffer
	dtype sigattn.DType
	seed  uint64
}

// fill makes the input hold at least n elements of dtype.
func (in *input) fill(n int, dtype sigattn.DType) error {
	fresh, err := in.grow(2 * int64(n))
	if err != nil {
		return err
	}
	if !fresh && in.dtype == dtype {
		return nil
	}
	in.dtype = dtype
	if err := driver.CopyToDevice(in.data, Normal(int(in.bytes/2), dtype, in.seed)); err != nil {
		return err
	}
	return driver.Synchronize()
}
