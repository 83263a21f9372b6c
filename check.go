package sigattn

import (
	"fmt"
	"math"
	"strconv"

	"github.com/sigattn/sigattn/internal/abi"
)

// Limits of a launch's shape.
const (
	// maxSeqLen keeps the kernels' 32-bit row and column indices, such as i + SeqLenK − SeqLenQ, from overflowing.
	maxSeqLen = 1 << 30
	maxExtent = math.MaxInt32 // of batch and heads, which kernels take as 32-bit integers
	maxBlocks = math.MaxInt32 // of a one-dimensional grid
)

// Alignments in bytes.
const (
	rowAlignment       = 16
	biasAlignment      = 4
	workspaceAlignment = 256
)

// rowElements is what strides are multiples of.
const rowElements = rowAlignment / elementBytes

// checker checks the arguments of one call.
type checker struct {
	op      string
	headDim int // the kernel's
}

func (c checker) fail(kind error, arg, got, want string) error {
	return &ArgumentError{Op: c.op, Arg: arg, Got: got, Want: want, Kind: kind}
}

// shapes checks that q and k are legal together.
func (c checker) shapes(q, k *Tensor) error {
	switch {
	case q.HeadDim <= 0 || q.HeadDim%8 != 0 || q.HeadDim > c.headDim:
		return c.fail(ErrShape, "Q.HeadDim", strconv.Itoa(q.HeadDim), fmt.Sprintf("a multiple of 8 from 8 to %d", c.headDim))
	case q.Batch < 0 || q.Batch > maxExtent:
		return c.fail(ErrShape, "Q.Batch", strconv.Itoa(q.Batch), fmt.Sprintf("0 to %d", maxExtent))
	case q.SeqLen < 0 || q.SeqLen > maxSeqLen:
		return c.fail(ErrShape, "Q.SeqLen", strconv.Itoa(q.SeqLen), fmt.Sprintf("0 to %d", maxSeqLen))
	case q.Heads < 1 || q.Heads > maxExtent:
		return c.fail(ErrShape, "Q.Heads", strconv.Itoa(q.Heads), fmt.Sprintf("1 to %d", maxExtent))
	case k.Batch != q.Batch:
		return c.fail(ErrShape, "K.Batch", strconv.Itoa(k.Batch), fmt.Sprintf("Q.Batch, %d", q.Batch))
	case k.SeqLen < 0 || k.SeqLen > maxSeqLen:
		return c.fail(ErrShape, "K.SeqLen", strconv.Itoa(k.SeqLen), fmt.Sprintf("0 to %d", maxSeqLen))
	case k.Heads < 1 || q.Heads%k.Heads != 0:
		return c.fail(ErrShape, "K.Heads", strconv.Itoa(k.Heads), fmt.Sprintf("a divisor of Q.Heads, %d", q.Heads))
	case k.HeadDim != q.HeadDim:
		return c.fail(ErrShape, "K.HeadDim", strconv.Itoa(k.HeadDim), fmt.Sprintf("Q.HeadDim, %d", q.HeadDim))
	}
	return nil
}

// sameShape checks that a is shaped as b is; the names are theirs in errors. (A struct of a name and a tensor would move the
// tensor, and with it a call's arguments, to the heap: the name escapes into errors.)
func (c checker) sameShape(name string, a *Tensor, model string, b *Tensor) error {
	if a.Batch == b.Batch && a.SeqLen == b.SeqLen && a.Heads == b.Heads && a.HeadDim == b.HeadDim {
		return nil
	}
	for _, d := range [...]struct {
		name      string
		got, want int
	}{
		{"Batch", a.Batch, b.Batch}, {"SeqLen", a.SeqLen, b.SeqLen}, {"Heads", a.Heads, b.Heads}, {"HeadDim", a.HeadDim, b.HeadDim},
	} {
		if d.got != d.want {
			return c.fail(ErrShape, name+"."+d.name, strconv.Itoa(d.got), fmt.Sprintf("%s.%s, %d", model, d.name, d.want))
		}
	}
	return nil
}

// place checks a tensor's address and strides and sets s to the memory it occupies. Its shape is legal. An empty tensor
// may have any address and strides: nothing of it is read.
func (c checker) place(s *span, name string, x *Tensor, output bool) error {
	if x.Batch == 0 || x.SeqLen == 0 {
		return nil
	}
	switch {
	case x.Data == 0:
		return c.fail(ErrArgument, name+".Data", "0", "a device address")
	case x.Data%rowAlignment != 0:
		return c.fail(ErrAlignment, name+".Data", address(x.Data), fmt.Sprintf("a multiple of %d bytes", rowAlignment))
	case !s.set(x.Data, int64(x.HeadDim)*elementBytes):
		return c.fail(ErrArgument, name+".Data", address(x.Data), "memory within the address space")
	}
	if x.Batch > 1 {
		if err := c.dimension(s, name, "Batch", x.StrideBatch, x.Batch, output); err != nil {
			return err
		}
	}
	if x.SeqLen > 1 {
		if err := c.dimension(s, name, "Seq", x.StrideSeq, x.SeqLen, output); err != nil {
			return err
		}
	}
	if x.Heads > 1 {
		if err := c.dimension(s, name, "Head", x.StrideHead, x.Heads, output); err != nil {
			return err
		}
	}
	if output {
		switch overlapsItself(s) {
		case overlapping:
			return c.fail(ErrOverlap, name, "a view whose rows overlap each other ("+layout(x)+")", "every element of an output to have memory of its own")
		case undecided:
			return c.fail(ErrOverlap, name, "a view whose rows may overlap each other ("+layout(x)+")", "strides of which each passes over the smaller ones")
		}
	}
	return nil
}

// dimension adds a dimension of n ≥ 2 indices to s.
func (c checker) dimension(s *span, name, dim string, stride int64, n int, output bool) error {
	switch {
	case stride%rowElements != 0:
		return c.fail(ErrAlignment, name+".Stride"+dim, strconv.FormatInt(stride, 10), fmt.Sprintf("a multiple of %d elements (%d bytes)", rowElements, rowAlignment))
	case stride == 0 && output:
		return c.fail(ErrOverlap, name+".Stride"+dim, "0", fmt.Sprintf("another stride, since an output does not repeat (the extent is %d)", n))
	case !s.add(stride, int64(n)):
		return c.fail(ErrStride, name+".Stride"+dim, strconv.FormatInt(stride, 10), fmt.Sprintf("one that keeps %d rows within the address space", n))
	}
	return nil
}

// separate checks that no output shares a byte with an input or with another output. The outputs come first in spans;
// names are theirs in errors.
func (c checker) separate(names []string, spans []span, outputs int) error {
	for i := range outputs {
		for j := i + 1; j < len(spans); j++ {
			switch overlap(&spans[i], &spans[j]) {
			case overlapping:
				return c.fail(ErrOverlap, names[i], extent(&spans[i])+", which shares bytes with "+names[j]+", "+extent(&spans[j]), "memory of its own")
			case undecided:
				return c.fail(ErrOverlap, names[i], extent(&spans[i])+", which may share bytes with "+names[j]+", "+extent(&spans[j]), "memory outside that range, or the same strides")
			}
		}
	}
	return nil
}

// problem fills the part of the parameters that all passes share; the shapes are legal.
func (c checker) problem(q, k *Tensor, scale float32, bias Bias) (abi.Problem, error) {
	if scale == 0 {
		scale = float32(1 / math.Sqrt(float64(q.HeadDim)))
	}
	scaleLog2 := float32(float64(scale) * math.Log2E)
	if !finite(scaleLog2) {
		return abi.Problem{}, c.fail(ErrArgument, "Scale", fmt.Sprint(scale), "0 (1/√HeadDim) or a finite number of at most 2.3e38")
	}
	var biasLog2 float32
	switch {
	case bias.fixed:
		biasLog2 = float32(float64(bias.value) * math.Log2E)
		if !finite(biasLog2) {
			return abi.Problem{}, c.fail(ErrArgument, "Bias", fmt.Sprint(bias.value), "a finite number of at most 2.3e38")
		}
	case k.SeqLen > 0:
		biasLog2 = float32(-math.Log2(float64(k.SeqLen)))
	}
	return abi.Problem{
		Batch:     int32(q.Batch),
		HeadsQ:    int32(q.Heads),
		HeadsKV:   int32(k.Heads),
		SeqLenQ:   int32(q.SeqLen),
		SeqLenK:   int32(k.SeqLen),
		HeadDim:   int32(q.HeadDim),
		Scale:     scale,
		ScaleLog2: scaleLog2,
		BiasLog2:  biasLog2,
	}, nil
}

// grid is how many blocks cover tiles of n rows for every head and batch entry.
func (c checker) grid(n, tile, heads, batch int) (uint32, error) {
	tiles := ceilDiv(int64(n), int64(tile))
	if tiles == 0 || batch == 0 {
		return 0, nil
	}
	blocks := tiles * int64(heads) // below 2⁶²
	if blocks > maxBlocks || blocks*int64(batch) > maxBlocks {
		return 0, c.fail(ErrShape, "Q.Batch", strconv.Itoa(batch),
			fmt.Sprintf("at most %d blocks in a launch (%d tiles × %d heads × Batch)", maxBlocks, tiles, heads))
	}
	return uint32(blocks * int64(batch)), nil
}

// strides are the tensor's as kernels take them; those never used are 0.
func strides(t *Tensor) abi.Strides {
	var s abi.Strides
	if t.Batch > 1 {
		s.Batch = t.StrideBatch
	}
	if t.SeqLen > 1 {
		s.Seq = t.StrideSeq
	}
	if t.Heads > 1 {
		s.Head = t.StrideHead
	}
	return s
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

func finite(x float32) bool { return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0) }

func address(p DevicePtr) string { return fmt.Sprintf("%#x", uint64(p)) }

func extent(s *span) string { return fmt.Sprintf("in [%#x, %#x)", s.base, s.end) }

func layout(t *Tensor) string {
	return fmt.Sprintf("shape %d×%d×%d×%d, strides %d, %d, %d", t.Batch, t.SeqLen, t.Heads, t.HeadDim, t.StrideBatch, t.StrideSeq, t.StrideHead)
}
