package corpus

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/sigattn/sigattn/internal/driver"
)

// Program is a kernel, its launch, and what it is given.
type Program struct {
	Name            string
	Target          string // such as sm_80
	Text            string // PTX with an entry called corpus, whose one parameter is a struct
	Blocks, Threads int
	SharedBytes     int // dynamic, per block

	Inputs    [][]byte // what the buffers hold that the entry reads
	Outputs   []Output // parts of the one buffer that it writes, one behind another; all of it is poison before
	Constants []byte   // what the struct holds behind the addresses of the outputs and of each input
	Tensors   []Tensor // whose maps the struct holds from mapsOffset on
}

// Tensor is part of a buffer that a tensor map describes, from the innermost dimension outwards.
type Tensor struct {
	Buffer  int // 0 is the outputs, others are the inputs
	Offset  int // of the first element, a multiple of 16 bytes
	Type    TensorType
	Dims    []uint64 // in elements
	Strides []uint64 // in bytes, from the second dimension on
	Box     []uint32 // in elements
	Swizzle int      // bytes; 0 is none
}

// TensorType is a CUtensorMapDataType.
type TensorType uint32

// Types of a tensor's elements.
const (
	TensorUint8   TensorType = 0
	TensorUint16  TensorType = 1
	TensorFloat32 TensorType = 7
	TensorBF16    TensorType = 9
)

// mapsOffset is where tensor maps lie among the parameters.
const mapsOffset = 256

// Output is one instruction's results: elements of 1 to 8 bytes, little-endian.
type Output struct {
	Name  string // of the form, and perhaps what it is applied to
	Size  int    // of an element
	Count int
	Rule  Rule // says which elements are the same
	// Want computes an element without the emulator; nil where only the chip knows.
	Want func(i int) uint64
	// Near, where it is set, replaces Rule and Want: an element is a float32 within its limits.
	Near func(i int) Near
}

// poison is what the output buffer holds where nothing is written.
const poison = 0xa5

// poisoned is an element that nothing writes.
const poisoned = 0xa5a5a5a5a5a5a5a5

func (o *Output) bytes() int { return o.Size * o.Count }

// element is the one that lies at a place in the buffer.
func (o *Output) element(buffer []byte, at int) uint64 {
	var b [8]byte
	copy(b[:], buffer[at:at+o.Size])
	return binary.LittleEndian.Uint64(b[:])
}

// OutputBytes is the size of the output buffer.
func (p *Program) OutputBytes() int {
	n := 0
	for i := range p.Outputs {
		n += p.Outputs[i].bytes()
	}
	return n
}

// params is the struct that the entry takes. Maps are encoded.
func (p *Program) params(output uint64, inputs []uint64, maps []driver.TensorMap) []byte {
	b := binary.LittleEndian.AppendUint64(nil, output)
	for _, in := range inputs {
		b = binary.LittleEndian.AppendUint64(b, in)
	}
	b = append(b, p.Constants...)
	if len(maps) > 0 {
		b = append(b, make([]byte, mapsOffset-len(b))...)
	}
	for i := range maps {
		for _, x := range maps[i] {
			b = binary.LittleEndian.AppendUint64(b, x)
		}
	}
	return b
}

// mapBytes is the size of a tensor map.
const mapBytes = 128

// swizzles are by their bytes.
var swizzles = map[int]driver.TensorSwizzle{0: driver.SwizzleNone, 32: driver.Swizzle32, 64: driver.Swizzle64, 128: driver.Swizzle128}

// encode makes the map of a tensor in a buffer at an address.
func (t *Tensor) encode(buffer driver.DevicePtr) (m driver.TensorMap, err error) {
	tile := driver.TensorTile{
		Type: driver.TensorType(t.Type), Rank: len(t.Dims), Address: buffer + driver.DevicePtr(t.Offset), Swizzle: swizzles[t.Swizzle],
	}
	copy(tile.Dims[:], t.Dims)
	copy(tile.Strides[:], t.Strides)
	copy(tile.Box[:], t.Box)
	err = driver.EncodeTiled(&m, &tile)
	return m, err
}

// Digest tells programs apart that need not give the same results: it covers the text, the launch, the inputs and the
// outputs' layout.
func (p *Program) Digest() string {
	h := sha256.New()
	part := func(b []byte) { fmt.Fprintf(h, "%d:%s", len(b), b) }
	part([]byte(p.Text))
	fmt.Fprintf(h, "%d %d %d;", p.Blocks, p.Threads, p.SharedBytes)
	part(p.Constants)
	for _, in := range p.Inputs {
		part(in)
	}
	for _, t := range p.Tensors {
		fmt.Fprintf(h, "%v;", t)
	}
	for i := range p.Outputs {
		fmt.Fprintf(h, "%s %d %d;", p.Outputs[i].Name, p.Outputs[i].Size, p.Outputs[i].Count)
	}
	return hex.EncodeToString(h.Sum(nil))
}
