package emulator

import "fmt"

// matrixDescriptor says where an operand of wgmma lies in shared memory.
type matrixDescriptor struct {
	start   int // address
	leading int // byte offsets: see chunk
	stride  int
	base    int // of the swizzle's pattern, in lines of 128 bytes
	swizzle Swizzle
}

// descriptorSwizzles are the swizzles by their number in a descriptor, which is not that of tensor maps.
var descriptorSwizzles = [4]Swizzle{SwizzleNone, Swizzle128, Swizzle64, Swizzle32}

// decodeDescriptor reads a descriptor; wrong says why it is none.
func decodeDescriptor(x uint64) (d matrixDescriptor, wrong string) {
	const known = 0x3fff | 0x3fff<<16 | 0x3fff<<32 | 7<<49 | 3<<62
	if x&^uint64(known) != 0 {
		return d, fmt.Sprintf("bits %#x of the descriptor %#x must be zero", x&^uint64(known), x)
	}
	return matrixDescriptor{
		start: int(x&0x3fff) << 4, leading: int(x>>16&0x3fff) << 4, stride: int(x>>32&0x3fff) << 4,
		base: int(x >> 49 & 7), swizzle: descriptorSwizzles[x>>62],
	}, ""
}

// chunk is the address of the 16 bytes that begin the row numbered line along K (minor in bytes) for a K-major operand: core
// matrices of 8 rows by 16 bytes lie, without a swizzle, at steps of leading along K and of stride along the rows; with one,
// 8 rows of its span lie together, and such groups at steps of stride.
func (d *matrixDescriptor) chunk(row, chunk int) int {
	group := row / 8 * d.stride
	if span := d.swizzle.span(); span > 0 {
		return d.permute(d.start + group + row%8*span + chunk*chunkBytes)
	}
	return d.start + group + row%8*chunkBytes + chunk*d.leading
}

// chunkMN is the address of the 16 bytes of elements 8·chunk and on along M or N at one k, for an operand that is contiguous
// along M or N: without a swizzle, core matrices of 8 k by 16 bytes lie at steps of stride along MN and of leading along K; with
// one, 8 k of its span lie together, at steps of leading along MN and of stride along K.
func (d *matrixDescriptor) chunkMN(chunk, k int) int {
	if span := d.swizzle.span(); span > 0 {
		per := span / chunkBytes
		return d.permute(d.start + chunk/per*d.leading + k/8*d.stride + k%8*span + chunk%per*chunkBytes)
	}
	return d.start + chunk*d.stride + k/8*d.leading + k%8*chunkBytes
}

// permute swizzles an address.
func (d *matrixDescriptor) permute(at int) int {
	moved := d.swizzle.apply(at - d.base<<7)
	return moved + d.base<<7
}
