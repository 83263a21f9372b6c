package emulator

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// tensorProgram loads a box to shared memory by TMA, copies shared memory to out as it lies, and with store sends it on to a
// second tensor. The first parameter is the tensor map of the load, the second that of the store, then come out and the
// coordinates.
func tensorProgram(rank int, middle string) string {
	return strings.NewReplacer("RANK", fmt.Sprint(rank), "COORDINATES", boxCoordinates(rank), "MIDDLE", middle).Replace(`.version 9.0
.target sm_90a
.address_size 64
.extern .shared .align 1024 .b8 dynamic[];
.visible .entry k(.param .align 64 .b8 k_load[128], .param .align 64 .b8 k_store[128], .param .u64 k_out, .param .align 4 .b8 k_at[20], .param .u32 k_bytes, .param .u32 k_room)
{
	.reg .pred %p<9>;
	.reg .b32 %r<20>, %c<5>, %tid;
	.reg .b64 %d<9>, %out;
	.shared .align 8 .b64 bar;
	ld.param.u64 %out, [k_out]; cvta.to.global.u64 %out, %out;
	ld.param.u32 %c0, [k_at]; ld.param.u32 %c1, [k_at+4]; ld.param.u32 %c2, [k_at+8]; ld.param.u32 %c3, [k_at+12]; ld.param.u32 %c4, [k_at+16];
	ld.param.u32 %r9, [k_bytes]; ld.param.u32 %r10, [k_room];
	mov.u32 %tid, %tid.x;
	mov.u32 %r1, bar; mov.u32 %r2, dynamic; add.s32 %r2, %r2, 1023; and.b32 %r2, %r2, -1024;
	shl.b32 %r3, %tid, 4; add.s32 %r4, %r2, %r3; mov.u32 %r5, 0;
CLEAR:
	st.shared.v4.u32 [%r4], {%r5, %r5, %r5, %r5};
	add.s32 %r4, %r4, 512; add.s32 %r3, %r3, 512; setp.lt.u32 %p1, %r3, %r10; @%p1 bra CLEAR;
	fence.proxy.async.shared::cta; // the zeros
	setp.ne.s32 %p2, %tid, 0;
	@%p2 bra READY;
	mbarrier.init.shared::cta.b64 [%r1], 1;
	fence.mbarrier_init.release.cluster;
READY:
	bar.sync 0;
	@%p2 bra WAIT;
	mov.b64 %d1, k_load; cvta.param.u64 %d1, %d1;
	prefetch.tensormap [%d1];
	mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], %r9;
	cp.async.bulk.tensor.RANKd.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r2], [%d1, {COORDINATES}], [%r1];
WAIT:
	{
	.reg .pred done;
AGAIN:
	mbarrier.try_wait.parity.shared::cta.b64 done, [%r1], 0; @!done bra AGAIN;
	}
	shl.b32 %r3, %tid, 4; add.s32 %r4, %r2, %r3; mul.wide.u32 %d2, %tid, 16; add.s64 %d2, %d2, %out;
	setp.ge.u32 %p1, %r3, %r10; @%p1 bra STORED;
OUT:
	ld.shared.v4.u32 {%r5, %r6, %r7, %r8}, [%r4];
	st.global.v4.u32 [%d2], {%r5, %r6, %r7, %r8};
	add.s32 %r4, %r4, 512; add.s32 %r3, %r3, 512; add.s64 %d2, %d2, 512; setp.lt.u32 %p1, %r3, %r10; @%p1 bra OUT;
STORED:
	MIDDLE
	ret;
}
`)
}

// storeBox is the second half of tensorProgram, with an operation such as cp.async.bulk.tensor or its reduction.
func storeBox(rank int, operation, kind string) string {
	return fmt.Sprintf(`@%%p2 bra DONE;
	mov.b64 %%d3, k_store; cvta.param.u64 %%d3, %%d3;
	%s.tensor.%dd.global.shared::cta%s.bulk_group [%%d3, {%s}], [%%r2];
	cp.async.bulk.commit_group;
	cp.async.bulk.wait_group 0; // the store
DONE:`, operation, rank, kind, boxCoordinates(rank))
}

func boxCoordinates(rank int) string {
	return strings.Join([]string{"%c0", "%c1", "%c2", "%c3", "%c4"}[:rank], ", ")
}

// boxTest is a box of a tensor of 16-bit or 32-bit elements.
type boxTest struct {
	dims []uint64
	box  []uint32
	at   []int32
	typ  TensorType
	mode Swizzle
}

// run copies the box in and out, and compares shared memory and the second tensor with a plain copy.
func (b boxTest) run(t *testing.T, o Options, reduce bool, change func(string) string) error {
	t.Helper()
	rank := len(b.dims)
	m := TensorMap{Type: b.typ, Dims: b.dims, Box: b.box, Swizzle: b.mode}
	size := m.ElementBytes()
	stride := (b.dims[0]*uint64(size) + 15) / 16 * 16
	var strides []uint64
	for i, d := range b.dims {
		if i > 0 {
			strides = append(strides, stride)
			stride = stride*d + 16 // room behind each slice
		}
		m.ElementStrides = append(m.ElementStrides, 1)
	}
	m.Strides = strides
	total := int(stride)
	row := int(b.box[0]) * size
	pitch := max(row, m.Swizzle.span())
	rows := 1
	for _, side := range b.box[1:] {
		rows *= int(side)
	}
	room := (rows*pitch + 511) / 512 * 512

	memory := NewMemory(1 << 24)
	alloc := func(n int) uint64 {
		base, err := memory.Alloc(int64(n), true)
		if err != nil {
			t.Fatal(err)
		}
		return base
	}
	from, to, out := alloc(total), alloc(total), alloc(room)
	source := make([]byte, total)
	for i := range source {
		source[i] = byte(i*37 + i/251)
	}
	if b.typ == TensorFloat32 || b.typ == TensorBFloat16 { // numbers whose sums are exact
		for i := 0; i+size <= total; i += size {
			x := math.Float32bits(float32(i%61 - 30))
			if size == 2 {
				binary.LittleEndian.PutUint16(source[i:], uint16(x>>16))
			} else {
				binary.LittleEndian.PutUint32(source[i:], x)
			}
		}
	}
	if err := memory.Write(from, source); err != nil {
		t.Fatal(err)
	}
	if err := memory.Write(to, source); err != nil {
		t.Fatal(err)
	}
	m.Address = from
	load, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	m.Address = to
	store, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	params := append(append([]byte(nil), load[:]...), store[:]...)
	params = binary.LittleEndian.AppendUint64(params, out)
	for i := range 5 {
		x := int32(0)
		if i < rank {
			x = b.at[i]
		}
		params = binary.LittleEndian.AppendUint32(params, uint32(x))
	}
	params = binary.LittleEndian.AppendUint32(params, uint32(row*rows))
	params = binary.LittleEndian.AppendUint32(params, uint32(room))
	middle := storeBox(rank, "cp.async.bulk", ".tile")
	if reduce {
		middle = storeBox(rank, "cp.reduce.async.bulk", ".add.tile")
	}
	text := change(tensorProgram(rank, middle))
	p, err := Load(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kernel("k").Run(memory, Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{32, 1, 1}, SharedBytes: room + 1024, Params: params}, o); err != nil {
		return err
	}

	want, wantTo := make([]byte, room), append([]byte(nil), source...)
	for r := range rows {
		for e := range int(b.box[0]) {
			at, within, behind := 0, true, false // behind: the row's end, in the 16 bytes that a store fills up
			rest := r
			for d := range rank {
				x := e
				if d > 0 {
					x = rest % int(b.box[d])
					rest /= int(b.box[d])
				}
				x += int(b.at[d])
				if d == 0 {
					end := int(b.dims[0])
					behind = x >= end && x*size < (end*size+15)/16*16
					within = x >= 0 && x < end || behind
					at += x * size
				} else {
					within = within && x >= 0 && x < int(b.dims[d])
					at += x * int(strides[d-1])
				}
			}
			switch {
			case !within:
				continue
			case behind && !reduce:
				clear(wantTo[at : at+size]) // which is what was loaded there
				continue
			case behind:
				continue
			}
			place := r*pitch + e*size
			if span := m.Swizzle.span(); span > 0 {
				place ^= place / 128 % (span / 16) * 16
			}
			copy(want[place:place+size], source[at:at+size])
			if reduce && size == 4 {
				binary.LittleEndian.PutUint32(wantTo[at:], math.Float32bits(2*math.Float32frombits(binary.LittleEndian.Uint32(source[at:]))))
			} else if reduce {
				binary.LittleEndian.PutUint16(wantTo[at:], toBF16(2*fromBF16(binary.LittleEndian.Uint16(source[at:]))))
			}
		}
	}
	got, gotTo := make([]byte, room), make([]byte, total)
	if err := errors.Join(memory.Read(got, out), memory.Read(gotTo, to)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%+v: shared memory holds other bytes", b)
	}
	if !bytes.Equal(gotTo, wantTo) {
		t.Errorf("%+v: the second tensor holds other bytes", b)
	}
	return nil
}

func unchanged(text string) string { return text }

// TestBoxes copies boxes within, across and beyond the borders of tensors of every rank, with every swizzle.
func TestBoxes(t *testing.T) {
	var all []boxTest
	for _, mode := range []Swizzle{SwizzleNone, Swizzle32, Swizzle64, Swizzle128} {
		inner := uint32(64)
		if span := mode.span(); span > 0 {
			inner = uint32(span / 2)
		}
		for _, at := range [][]int32{{0, 0}, {16, 3}, {-8, -2}, {48, 20}, {72, 0}, {0, 21}, {-64, 5}, {8, 10}} {
			all = append(all, boxTest{[]uint64{65, 21}, []uint32{inner, 12}, at, TensorBFloat16, mode})
		}
		all = append(all,
			boxTest{[]uint64{100}, []uint32{inner}, []int32{72}, TensorBFloat16, mode},
			boxTest{[]uint64{40, 9, 3}, []uint32{inner / 2, 4, 2}, []int32{28, 7, 2}, TensorFloat32, mode},
			boxTest{[]uint64{65, 7, 3, 2}, []uint32{inner, 5, 2, 1}, []int32{8, 4, -1, 1}, TensorBFloat16, mode},
			boxTest{[]uint64{64, 5, 2, 3, 2}, []uint32{inner, 4, 2, 2, 2}, []int32{0, 2, 1, 2, -1}, TensorBFloat16, mode},
		)
	}
	for _, b := range all {
		for _, o := range orders(2) {
			if err := b.run(t, o, false, unchanged); err != nil {
				t.Errorf("%+v: %v", b, err)
			}
			if err := b.run(t, o, true, unchanged); err != nil {
				t.Errorf("reduction of %+v: %v", b, err)
			}
		}
	}
}

func TestBoxFaults(t *testing.T) {
	b := boxTest{[]uint64{65, 21}, []uint32{64, 12}, []int32{0, 0}, TensorBFloat16, Swizzle128}
	again, _, _ := strings.Cut(storeBox(2, "cp.async.bulk", ""), "cp.async.bulk.commit_group;")
	_, again, _ = strings.Cut(again, "cvta.param.u64 %d3, %d3;")
	for _, c := range []faultCase{
		{"nothing", "ret;", "ret;", ""},
		{"no wait", "@!done bra AGAIN;", "", someFault + onlyLate},
		{"no fence behind the zeros", "fence.proxy.async.shared::cta; // the zeros", "", string(MissingFence)},
		{"no fence of the barrier", "fence.mbarrier_init.release.cluster;", "", string(MissingFence)},
		{"a fence of the barrier by another", "fence.mbarrier_init.release.cluster;\nREADY:\n\tbar.sync 0;", "READY:\n\tbar.sync 0; fence.proxy.async.shared::cta;", ""},
		{"too few bytes expected", "[%r1], %r9;", "[%r1], 1520;", string(WrongTransaction)},
		{"none expected", "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], %r9;", "mbarrier.arrive.shared::cta.b64 _, [%r1];", string(WrongTransaction)},
		{"too many", "[%r1], %r9;", "[%r1], 1552;", "still waits for 0 of 1 arrivals and 16 bytes"},
		{"the wrong phase", "[%r1], 0; @!done", "[%r1], 1; @!done", someFault},
		{"no arrival", "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], %r9;", "mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%r1], %r9;", "still waits for 1 of 1 arrivals and 0 bytes"},
		{"the copy overwrites the barrier", "[%r2], [%d1,", "[%r2+-1024], [%d1,", someFault},
		{"a misaligned destination", "[%r2], [%d1,", "[%r2+16], [%d1,", string(Misaligned)},
		{"no tensor map", "mov.b64 %d1, k_load; cvta.param.u64 %d1, %d1;", "mov.b64 %d1, %out;", someFault},
		{"a box that starts within 16 bytes", "mov.b64 %d1, k_load;", "add.s32 %c0, %c0, 6; mov.b64 %d1, k_load;", string(Misaligned)},
		{"one that starts there before the row", "mov.b64 %d1, k_load;", "sub.s32 %c0, %c0, 1; mov.b64 %d1, k_load;", string(Misaligned)},
		{"one that is stored there", "mov.b64 %d3, k_store;", "add.s32 %c0, %c0, 4; mov.b64 %d3, k_store;", string(Misaligned)},
		{"one that starts 16 bytes on", "mov.b64 %d3, k_store;", "mov.b64 %d3, k_store; setp.eq.b32 %p1, 1, 0; @%p1 add.s32 %c0, %c0, 8;", ""},
		{"a misaligned tensor map", "cvta.param.u64 %d1, %d1;", "cvta.param.u64 %d1, %d1; add.s64 %d1, %d1, 16;", string(Misaligned)},
		{"the store is not waited for", "cp.async.bulk.wait_group 0; // the store", "", string(LeakedCopy)},
		{"the store is not committed", "cp.async.bulk.commit_group;", "", string(LeakedCopy)},
		{"only its reads are waited for", "wait_group 0; // the store", "wait_group.read 0;", ""},
		{"its source is overwritten", "cp.async.bulk.wait_group 0; // the store", "st.shared.u32 [%r2], %tid; cp.async.bulk.wait_group 0;", string(Race)},
		{"its source is overwritten in time", "wait_group 0; // the store", "wait_group.read 0; st.shared.u32 [%r2], %tid;", ""},
		{"its source is not fenced", "@%p2 bra DONE;", "@%p2 bra DONE; st.shared.u32 [%r2], 0;", string(MissingFence)},
		{"its source is fenced", "@%p2 bra DONE;", "@%p2 bra DONE; ld.shared.u32 %r5, [%r2]; st.shared.u32 [%r2], %r5; fence.proxy.async.shared::cta;", ""},
		{"all lanes load", "@%p2 bra WAIT;", "", someFault},
		{"it is stored again", "cp.async.bulk.commit_group;", again + "cp.async.bulk.commit_group;", string(Race)},
		{"it is stored again behind a wait for reads", "cp.async.bulk.commit_group;", "cp.async.bulk.commit_group; cp.async.bulk.wait_group.read 0;" + again + "cp.async.bulk.commit_group;", string(Race)},
		{"it is stored again in time", "cp.async.bulk.commit_group;", "cp.async.bulk.commit_group; cp.async.bulk.wait_group 0;" + again + "cp.async.bulk.commit_group;", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, o := range orders(2) {
				err := b.run(t, o, false, func(text string) string {
					if !strings.Contains(text, c.from) {
						t.Fatalf("no %q in the program", c.from)
					}
					return strings.Replace(text, c.from, c.to, 1)
				})
				if strings.HasPrefix(c.want, someFault) && err != nil || strings.Contains(c.want, onlyLate) && o.Copies != Latest {
					continue
				}
				if got := fmt.Sprint(err); c.want == "" && err != nil || !strings.Contains(got, strings.TrimSuffix(c.want, onlyLate)) {
					t.Errorf("completion %d, seed %d: %v, want %q", o.Copies, o.Seed, err, c.want)
				}
			}
		})
	}
}

// TestTensorMapErrors refuses maps that cannot be.
func TestTensorMapErrors(t *testing.T) {
	good := func() TensorMap {
		return TensorMap{Type: TensorBFloat16, Address: 1 << 20, Dims: []uint64{64, 8}, Strides: []uint64{128}, Box: []uint32{64, 8}, ElementStrides: []uint32{1, 1}, Swizzle: Swizzle128}
	}
	m := good()
	encoded, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if back, ok := decodeTensorMap(encoded[:]); !ok || back.Dims[1] != 8 || back.Strides[0] != 128 || back.Box[0] != 64 || back.Swizzle != Swizzle128 {
		t.Errorf("decoded %+v", back)
	}
	encoded[20]++
	if _, ok := decodeTensorMap(encoded[:]); ok {
		t.Error("a changed map is decoded")
	}
	for name, change := range map[string]func(m *TensorMap){
		"type": func(m *TensorMap) { m.Type = 99 }, "rank": func(m *TensorMap) { m.Dims = nil }, "strides": func(m *TensorMap) { m.Strides = nil },
		"address": func(m *TensorMap) { m.Address++ }, "dimension": func(m *TensorMap) { m.Dims[1] = 0 }, "box": func(m *TensorMap) { m.Box[1] = 257 },
		"stride": func(m *TensorMap) { m.Strides[0] = 120 }, "element stride": func(m *TensorMap) { m.ElementStrides[0] = 2 }, "interleave": func(m *TensorMap) { m.Interleave = 1 },
		"swizzle": func(m *TensorMap) { m.Swizzle = 4 }, "row": func(m *TensorMap) { m.Box[0] = 68 }, "promotion": func(m *TensorMap) { m.L2Promotion = 4 },
		"odd row": func(m *TensorMap) { m.Box[0] = 12 },
	} {
		m := good()
		change(&m)
		if _, err := m.Encode(); !errors.Is(err, ErrTensorMap) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBulkCopies copies lines to shared memory, back and onto sums, with tails of no whole chunk refused.
func TestBulkCopies(t *testing.T) {
	const body = `
	.shared .align 8 .b64 bar;
	.shared .align 128 .b8 line[1024];
	mov.u32 %r1, bar; mov.u32 %r2, line;
	setp.ne.s32 %p1, %tid, 0; @%p1 bra READY;
	mbarrier.init.shared::cta.b64 [%r1], 1;
	fence.mbarrier_init.release.cluster;
READY:
	bar.sync 0;
	@%p1 bra WAIT;
	cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r2], [%in], 512, [%r1];
	cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r2+512], [%in+512], 512, [%r1];
	mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], 1024;
WAIT:
	mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r1], 0;
	@!%p2 bra WAIT;
	@%p1 ret;
	cp.async.bulk.global.shared::cta.bulk_group [%out], [%r2], 1024;
	cp.async.bulk.commit_group;
	cp.async.bulk.wait_group 0;
	cp.reduce.async.bulk.global.shared::cta.bulk_group.add.OPERATION [%out], [%r2], 512;
	cp.reduce.async.bulk.global.shared::cta.bulk_group.add.OPERATION [%out], [%r2], 512;
	cp.async.bulk.commit_group;
	cp.async.bulk.wait_group 0;`
	for operation, encode := range map[string]struct {
		size int
		put  func([]byte, float32)
		get  func([]byte) float32
	}{
		"f32":        {4, func(b []byte, x float32) { binary.LittleEndian.PutUint32(b, math.Float32bits(x)) }, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }},
		"noftz.f16":  {2, func(b []byte, x float32) { binary.LittleEndian.PutUint16(b, toFP16(x)) }, func(b []byte) float32 { return fromFP16(binary.LittleEndian.Uint16(b)) }},
		"noftz.bf16": {2, func(b []byte, x float32) { binary.LittleEndian.PutUint16(b, toBF16(x)) }, func(b []byte) float32 { return fromBF16(binary.LittleEndian.Uint16(b)) }},
		"u32":        {4, func(b []byte, x float32) { binary.LittleEndian.PutUint32(b, uint32(x)) }, func(b []byte) float32 { return float32(binary.LittleEndian.Uint32(b)) }},
	} {
		in := make([]byte, 1024)
		for i := 0; i < len(in); i += encode.size {
			encode.put(in[i:], float32(i%41))
		}
		text := hopperProgram(strings.ReplaceAll(body, "OPERATION", operation))
		for _, o := range orders(3) {
			got, err := machine{threads: 64, in: in, outBytes: 1024, options: o}.run(t, text)
			if err != nil {
				t.Fatalf("%s: %v", operation, err)
			}
			for i := 0; i < len(in); i += encode.size {
				want := float32(i % 41)
				if i < 512 {
					want *= 3
				}
				if x := encode.get(got[i:]); x != want {
					t.Fatalf("%s: element %d is %v, want %v", operation, i/encode.size, x, want)
				}
			}
		}
	}
	text := hopperProgram(strings.ReplaceAll(body, "OPERATION", "f32"))
	checkFaults(t, machine{threads: 64, in: make([]byte, 1024), outBytes: 1024}, text, []faultCase{
		{"a tail", "[%in], 512,", "[%in], 500,", string(Misaligned)},
		{"beyond the buffer", "[%in+512], 512,", "[%in+528], 512,", string(OutOfBounds)},
		{"a misaligned source", "[%in], 512,", "[%in+8], 512,", string(Misaligned)},
		{"the output too short", "[%out], [%r2], 1024", "[%out+16], [%r2], 1024", string(OutOfBounds)},
		{"sums onto bytes that are still stored", "cp.async.bulk.wait_group 0;", "", string(Race)},
		{"of whose store only the reads are waited for", "cp.async.bulk.wait_group 0;", "cp.async.bulk.wait_group.read 0;", string(Race)},
		{"another store to the last bytes", "[%r2], 1024;", "[%r2], 1024; cp.async.bulk.global.shared::cta.bulk_group [%out+1008], [%r2], 16;", string(Race)},
		{"one to those behind", "[%r2], 1024;", "[%r2], 1008; cp.async.bulk.global.shared::cta.bulk_group [%out+1008], [%r2], 16;", ""},
		{"one copy is not expected", "[%r1], 1024;", "[%r1], 512;", string(WrongTransaction)},
		{"more than can be expected", "[%r1], 1024;", "[%r1], 1048576;", string(WrongTransaction)},
	})
}
