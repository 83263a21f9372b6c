package corpus

import (
	"fmt"
	"slices"
	"strings"
)

// tensorPrograms are copies of boxes of tensors. Boxes start at multiples of 16 bytes in the tensors' rows: a chip takes a
// copy from elsewhere for an illegal instruction.
func tensorPrograms() []*Program {
	r := random(22)
	return []*Program{
		tensorLoad(&r, "tensor_load_2d", TensorBF16, []uint64{70, 12}, [][]uint32{{64, 8}, {32, 8}, {16, 24}, {72, 5}}, [][]int32{
			{0, 0}, {64, 0}, {-8, 2}, {-24, -3}, {8, 7}, {40, 11}, {-64, 0}, {16, 12}, {72, -8},
		}),
		tensorLoad(&r, "tensor_load_3d", TensorFloat32, []uint64{37, 5, 3}, [][]uint32{{32, 4, 2}, {16, 3, 2}, {8, 4, 3}, {12, 2, 2}}, [][]int32{
			{0, 0, 0}, {28, 3, 2}, {-4, -1, -1}, {12, 4, 1}, {0, 0, 3}, {0, -4, 0},
		}),
		tensorLoad(&r, "tensor_load_4d", TensorBF16, []uint64{96, 9, 3, 2}, [][]uint32{{64, 8, 1, 1}, {32, 8, 2, 1}, {16, 4, 2, 2}, {64, 3, 1, 2}}, [][]int32{
			{0, 0, 0, 0}, {64, 8, 2, 1}, {-16, -2, 1, 0}, {32, 3, -1, 0}, {0, 0, 0, -1}, {80, 5, 2, 1},
		}),
		tensorLoad(&r, "tensor_load_5d", TensorUint8, []uint64{100, 3, 2, 3, 2}, [][]uint32{{128, 2, 2, 1, 1}, {64, 2, 1, 2, 1}, {32, 3, 2, 1, 2}, {16, 1, 2, 3, 2}}, [][]int32{
			{0, 0, 0, 0, 0}, {48, 1, 1, 2, 1}, {-16, -1, 0, -1, 0},
		}),
		tensorLoad(&r, "tensor_load_1d", TensorUint16, []uint64{300}, [][]uint32{{64}, {32}, {16}, {256}}, [][]int32{{0}, {280}, {-16}, {304}}),
		tensorStore(&r, "tensor_store_2d", TensorBF16, []uint64{70, 12}, []uint32{64, 8}, [][]int32{{0, 0}, {64, 8}}),
		tensorStore(&r, "tensor_store_4d", TensorFloat32, []uint64{37, 5, 3, 2}, []uint32{32, 4, 2, 1}, [][]int32{{0, 0, 0, 0}, {32, 0, 0, 1}, {4, 4, 2, 1}}),
		tensorReduce(&r),
		tensorPhase(&r),
		tensorProduct(&r),
	}
}

func (t TensorType) bytes() int {
	return map[TensorType]int{TensorUint8: 1, TensorUint16: 2, TensorFloat32: 4, TensorBF16: 2}[t]
}

// dense is a tensor with its rows 16 bytes apart at least, and how many bytes it takes.
func dense(typ TensorType, dims []uint64) (t Tensor, bytes int) {
	t = Tensor{Type: typ, Dims: dims}
	n := (dims[0]*uint64(typ.bytes()) + 16 + 15) / 16 * 16
	for _, d := range dims[1:] {
		t.Strides = append(t.Strides, n)
		n *= d
	}
	return t, int(n)
}

// eachElement calls f for every element of the box at some coordinates: with its offset in shared memory, and in the tensor,
// or -1 where it lies outside.
func (t *Tensor) eachElement(at []int32, f func(shared, global int)) {
	n := t.boxBytes() / t.Type.bytes()
	for i := range n {
		rest, offset := i, 0
		for d, side := range t.Box {
			x := int(at[d]) + rest%int(side)
			rest /= int(side)
			switch {
			case x < 0 || x >= int(t.Dims[d]):
				offset = -1 << 40
			case d == 0:
				offset += x * t.Type.bytes()
			default:
				offset += x * int(t.Strides[d-1])
			}
		}
		shared := i * t.Type.bytes()
		if t.Swizzle > 0 {
			shared ^= shared >> 7 & (t.Swizzle/16 - 1) << 4
		}
		f(shared, max(offset, -1))
	}
}

func (t *Tensor) boxBytes() int {
	n := t.Type.bytes()
	for _, side := range t.Box {
		n *= int(side)
	}
	return n
}

// coordinates sets the registers of a copy's operand.
func (b *builder) coordinates(at []int32) string {
	var names []string
	for i, x := range at {
		names = append(names, fmt.Sprintf("%%r%d", 60+i))
		b.line("mov.b32 %s, %d;", names[i], x)
	}
	return strings.Join(names, ", ")
}

// tensorLoad loads boxes at every coordinates with every swizzle: the first box with 128 bytes, then 64, 32 and none.
func tensorLoad(r *random, name string, typ TensorType, dims []uint64, boxes [][]uint32, at [][]int32) *Program {
	b := onHopper(name, 128)
	t, n := dense(typ, dims)
	memory := r.bytes(n)
	region := 0
	for i, swizzle := range []int{128, 64, 32, 0} {
		t.Box, t.Swizzle = boxes[i], swizzle
		region = max(region, (t.boxBytes()+tileAlign-1)/tileAlign*tileAlign)
	}
	b.images(region * len(at))
	b.mbarriers(1)
	b.input(memory)
	t.Buffer = len(b.program.Inputs)
	for i, swizzle := range []int{128, 64, 32, 0} {
		t.Box, t.Swizzle = boxes[i], swizzle
		address := b.tensor(t)
		b.line("fence.proxy.async;")
		b.line("bar.sync 0;") // what was there is read
		b.line("@%%p7 prefetch.tensormap [%s];", address)
		b.line("@%%p7 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%%r39], %d;", t.boxBytes()*len(at))
		for j, x := range at {
			where := b.coordinates(x)
			b.line("add.s32 %%r42, %%r40, %d;", region*j)
			b.line("@%%p7 cp.async.bulk.tensor.%dd.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%%r42], [%s, {%s}], [%%r39];", len(x), address, where)
		}
		b.await(0, i%2)
		for j, x := range at {
			image := make([]byte, t.boxBytes())
			t.eachElement(x, func(shared, global int) {
				if global >= 0 {
					copy(image[shared:shared+typ.bytes()], memory[global:])
				}
			})
			b.dump(fmt.Sprintf("box %v at %v, swizzle of %d bytes", t.Box, x, swizzle), region*j, image)
		}
	}
	return b.finish()
}

// stored is the tensor as stores see it: a chip writes the last 16 bytes of a row whole where it ends within them.
func (t Tensor) stored() *Tensor {
	per := uint64(16 / t.Type.bytes())
	t.Dims = slices.Clone(t.Dims)
	t.Dims[0] = (t.Dims[0] + per - 1) / per * per
	return &t
}

// tensorStore stores boxes, parts of which lie outside. Rows of the tensors end within 16 bytes.
func tensorStore(r *random, name string, typ TensorType, dims []uint64, box []uint32, at [][]int32) *Program {
	b := onHopper(name, 128)
	t, n := dense(typ, dims)
	t.Box = box
	region := (t.boxBytes() + tileAlign - 1) / tileAlign * tileAlign
	b.images(region * len(at))
	b.mbarriers(1)
	images := make([][]byte, len(at))
	for i := range at {
		images[i] = r.bytes(t.boxBytes())
		b.fill(region*i, images[i])
	}
	b.line("fence.proxy.async;")
	b.line("bar.sync 0;")
	for _, swizzle := range []int{128, 0} {
		t.Swizzle = swizzle
		image := unwritten(n)
		t.Offset = b.output(imageOutput(fmt.Sprintf("boxes %v, swizzle of %d bytes", box, swizzle), image))
		address := b.tensor(t)
		for i, x := range at {
			t.stored().eachElement(x, func(shared, global int) {
				if global >= 0 {
					copy(image[global:global+typ.bytes()], images[i][shared:])
				}
			})
			where := b.coordinates(x)
			b.line("add.s32 %%r42, %%r40, %d;", region*i)
			b.line("@%%p7 cp.async.bulk.tensor.%dd.global.shared::cta.tile.bulk_group [%s, {%s}], [%%r42];", len(x), address, where)
		}
	}
	b.line("@%%p7 cp.async.bulk.commit_group;")
	b.line("cp.async.bulk.wait_group 0;")
	return b.finish()
}

// tensorReduce adds boxes that overlap nowhere to what is there. That subnormals stay is assumed, after
// cp.reduce.async.bulk: no sum is one.
func tensorReduce(r *random) *Program {
	b := onHopper("tensor_reduce", 128)
	t, n := dense(TensorFloat32, []uint64{37, 10})
	t.Box, t.Swizzle = []uint32{32, 8}, 128
	at := [][]int32{{0, 0}, {32, 0}, {4, 8}}
	region := t.boxBytes()
	b.images(region * len(at))
	b.mbarriers(1)
	before := make([]uint32, n/4)
	draw := spread(r)
	for i := range before {
		before[i] = uint32(draw())
	}
	added := make([]uint32, n/4)
	touched := make([]bool, n/4)
	for i, x := range at {
		image := make([]uint32, region/4)
		for j := range image {
			image[j] = uint32(draw())
		}
		b.fill(region*i, words32(image))
		t.stored().eachElement(x, func(shared, global int) {
			if global >= 0 {
				added[global/4], touched[global/4] = image[shared/4], true
			}
		})
	}
	o := sumOutput("cp.reduce.async.bulk.tensor of f32", "f32", before, added)
	o.Want = func(i int) uint64 {
		if !touched[i] {
			return uint64(before[i])
		}
		return sums["f32"].add(uint64(before[i]), uint64(added[i]))
	}
	t.Offset = b.output(o)
	b.start(t.Offset, words32(before))
	address := b.tensor(t)
	b.line("fence.proxy.async;")
	b.line("bar.sync 0;")
	for i, x := range at {
		where := b.coordinates(x)
		b.line("add.s32 %%r42, %%r40, %d;", region*i)
		b.line("@%%p7 cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group [%s, {%s}], [%%r42];", address, where)
	}
	b.line("@%%p7 cp.async.bulk.commit_group;")
	b.line("cp.async.bulk.wait_group 0;")
	return b.finish()
}

// tensorPhase loads boxes to places that are no multiples of a swizzle's pattern, which goes by the address.
func tensorPhase(r *random) *Program {
	const region = 2048
	b := onHopper("tensor_phase", 128)
	t, n := dense(TensorBF16, []uint64{70, 12})
	memory := r.bytes(n)
	places := []int{128, 384, 896, 512}
	b.images(region * len(places))
	b.mbarriers(1)
	b.input(memory)
	t.Buffer = len(b.program.Inputs)
	b.line("createpolicy.fractional.L2::evict_first.b64 %%d60, 1.0;")
	for i, swizzle := range []int{128, 64, 32} {
		t.Box, t.Swizzle = []uint32{uint32(swizzle / 2), 8}, swizzle
		address := b.tensor(t)
		b.line("fence.proxy.async;")
		b.line("bar.sync 0;")
		b.line("@%%p7 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%%r39], %d;", t.boxBytes()*len(places))
		for j, place := range places {
			where := b.coordinates([]int32{8, int32(j)})
			b.line("add.s32 %%r42, %%r40, %d;", region*j+place)
			b.line("@%%p7 cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.L2::cache_hint [%%r42], [%s, {%s}], [%%r39], %%d60;", address, where)
		}
		b.await(0, i%2)
		for j, place := range places {
			image := make([]byte, place+t.boxBytes())
			plain := t
			plain.Swizzle = 0
			plain.eachElement([]int32{8, int32(j)}, func(at, global int) {
				at += place
				at ^= at >> 7 & (swizzle/16 - 1) << 4
				if global >= 0 {
					copy(image[at:at+2], memory[global:])
				}
			})
			b.dump(fmt.Sprintf("a box %d bytes from a pattern's start, swizzle of %d bytes", place, swizzle), region*j+place, image[place:])
		}
	}
	return b.finish()
}
