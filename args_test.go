package sigattn

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// A forward call with one thing wrong: the error's kind, the argument it names and the legal value it gives.
var badForward = []struct {
	name      string
	spoil     func(*ForwardArgs)
	kind      error
	arg, want string
}{
	{"head dim no multiple of 8", func(a *ForwardArgs) { a.Q.HeadDim = 60 }, ErrShape, "Q.HeadDim", "multiple of 8"},
	{"head dim 0", func(a *ForwardArgs) { a.Q.HeadDim = 0 }, ErrShape, "Q.HeadDim", "multiple of 8"},
	{"head dim negative", func(a *ForwardArgs) { a.Q.HeadDim = -8 }, ErrShape, "Q.HeadDim", "multiple of 8"},
	{"head dim above the kernel's", func(a *ForwardArgs) { a.Q.HeadDim = 136 }, ErrShape, "Q.HeadDim", "128"},
	{"head dims differ", func(a *ForwardArgs) { a.K.HeadDim = 56 }, ErrShape, "K.HeadDim", "64"},
	{"negative batch", func(a *ForwardArgs) { a.Q.Batch = -1 }, ErrShape, "Q.Batch", "0 to"},
	{"batch beyond 32 bits", func(a *ForwardArgs) { a.Q.Batch = 1 << 31 }, ErrShape, "Q.Batch", "2147483647"},
	{"batches differ", func(a *ForwardArgs) { a.K.Batch = 3 }, ErrShape, "K.Batch", "2"},
	{"V's batch differs", func(a *ForwardArgs) { a.V.Batch = 3 }, ErrShape, "V.Batch", "K.Batch, 2"},
	{"negative length", func(a *ForwardArgs) { a.Q.SeqLen = -1 }, ErrShape, "Q.SeqLen", "0 to"},
	{"length beyond the kernels' indices", func(a *ForwardArgs) { a.K.SeqLen = 1<<30 + 1 }, ErrShape, "K.SeqLen", "1073741824"},
	{"V shorter than K", func(a *ForwardArgs) { a.V.SeqLen = 499 }, ErrShape, "V.SeqLen", "500"},
	{"O longer than Q", func(a *ForwardArgs) { a.O.SeqLen = 301 }, ErrShape, "O.SeqLen", "300"},
	{"no heads", func(a *ForwardArgs) { a.Q.Heads = 0 }, ErrShape, "Q.Heads", "1 to"},
	{"KV heads do not divide", func(a *ForwardArgs) { a.K.Heads = 3 }, ErrShape, "K.Heads", "divisor of Q.Heads, 8"},
	{"no KV heads", func(a *ForwardArgs) { a.K.Heads = 0 }, ErrShape, "K.Heads", "divisor"},
	{"more KV heads than heads", func(a *ForwardArgs) { a.K.Heads = 16 }, ErrShape, "K.Heads", "divisor"},
	{"O has other heads", func(a *ForwardArgs) { a.O.Heads = 2 }, ErrShape, "O.Heads", "8"},
	{"null Q", func(a *ForwardArgs) { a.Q.Data = 0 }, ErrArgument, "Q.Data", "device address"},
	{"misaligned V", func(a *ForwardArgs) { a.V.Data += 8 }, ErrAlignment, "V.Data", "16"},
	{"misaligned rows", func(a *ForwardArgs) { a.K.StrideSeq += 4 }, ErrAlignment, "K.StrideSeq", "8 elements"},
	{"misaligned heads", func(a *ForwardArgs) { a.Q.StrideHead += 1 }, ErrAlignment, "Q.StrideHead", "8 elements"},
	{"misaligned batches", func(a *ForwardArgs) { a.O.StrideBatch -= 2 }, ErrAlignment, "O.StrideBatch", "8 elements"},
	{"stride out of the address space", func(a *ForwardArgs) { a.Q.StrideBatch = math.MaxInt64 &^ 7 }, ErrStride, "Q.StrideBatch", "address space"},
	{"the least stride", func(a *ForwardArgs) { a.Q.StrideBatch = math.MinInt64 }, ErrStride, "Q.StrideBatch", "address space"},
	{"rows below address 0", func(a *ForwardArgs) { a.Q.StrideBatch = -1 << 40 }, ErrStride, "Q.StrideBatch", "address space"},
	{"a row beyond the last address", func(a *ForwardArgs) { a.Q.Data = math.MaxUint64 &^ 15 }, ErrArgument, "Q.Data", "address space"},
	{"O repeats a row", func(a *ForwardArgs) { a.O.StrideSeq = 0 }, ErrOverlap, "O.StrideSeq", "another stride"},
	{"O's rows overlap each other", func(a *ForwardArgs) { a.O.StrideSeq = 8 }, ErrOverlap, "O", "of its own"},
	{"O is Q", func(a *ForwardArgs) { a.O = a.Q }, ErrOverlap, "O", "of its own"},
	{"O overlaps V's end", func(a *ForwardArgs) { a.O.Data = a.V.Data + 2*500*2*64*2 - 16 }, ErrOverlap, "O", "of its own"},
	{"infinite scale", func(a *ForwardArgs) { a.Scale = float32(math.Inf(1)) }, ErrArgument, "Scale", "finite"},
	{"NaN scale", func(a *ForwardArgs) { a.Scale = float32(math.NaN()) }, ErrArgument, "Scale", "finite"},
	{"scale that overflows with log2 e", func(a *ForwardArgs) { a.Scale = -3e38 }, ErrArgument, "Scale", "2.3e38"},
	{"NaN bias", func(a *ForwardArgs) { a.Bias = FixedBias(float32(math.NaN())) }, ErrArgument, "Bias", "finite"},
	{"infinite bias", func(a *ForwardArgs) { a.Bias = FixedBias(float32(math.Inf(-1))) }, ErrArgument, "Bias", "finite"},
	{"a grid too large", func(a *ForwardArgs) {
		for _, t := range []*Tensor{&a.Q, &a.K, &a.V, &a.O} {
			t.Batch, t.StrideBatch = 1<<30, 0
		}
		a.O.SeqLen, a.Q.SeqLen = 1, 1
		a.O.StrideBatch = 8 * 64
	}, ErrShape, "Q.Batch", "2147483647 blocks"},
}

func TestBadForwardArguments(t *testing.T) {
	for _, c := range badForward {
		t.Run(c.name, func(t *testing.T) {
			args := forwardArgs(usual)
			c.spoil(&args)
			_, _, err := checkForward(128, 128, &args)
			checkArgumentError(t, err, "Forward", c.kind, c.arg, c.want)
		})
	}
}

func checkArgumentError(t *testing.T, err error, op string, kind error, arg, want string) {
	t.Helper()
	var e *ArgumentError
	if !errors.As(err, &e) || !errors.Is(err, ErrArgument) || !errors.Is(err, kind) {
		t.Fatalf("got %v, want an *ArgumentError that wraps %v and ErrArgument", err, kind)
	}
	if e.Op != op || e.Arg != arg || !strings.Contains(e.Want, want) || e.Got == "" {
		t.Errorf("got %+v, want %s's %s and a legal value with %q", *e, op, arg, want)
	}
	for _, part := range []string{op, arg, e.Got, want} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestBadBackwardArguments(t *testing.T) {
	cases := []struct {
		name      string
		spoil     func(*BackwardArgs)
		kind      error
		arg, want string
	}{
		{"head dim", func(a *BackwardArgs) { a.Q.HeadDim = 12 }, ErrShape, "Q.HeadDim", "multiple of 8"},
		{"KV heads", func(a *BackwardArgs) { a.K.Heads = 5 }, ErrShape, "K.Heads", "divisor"},
		{"V's heads", func(a *BackwardArgs) { a.V.Heads = 8 }, ErrShape, "V.Heads", "2"},
		{"dO's length", func(a *BackwardArgs) { a.DO.SeqLen++ }, ErrShape, "DO.SeqLen", "300"},
		{"dQ's batch", func(a *BackwardArgs) { a.DQ.Batch = 1 }, ErrShape, "DQ.Batch", "2"},
		{"dK shaped as Q", func(a *BackwardArgs) { a.DK.Heads = 8 }, ErrShape, "DK.Heads", "2"},
		{"dV's head dim", func(a *BackwardArgs) { a.DV.HeadDim = 32 }, ErrShape, "DV.HeadDim", "64"},
		{"null dO", func(a *BackwardArgs) { a.DO.Data = 0 }, ErrArgument, "DO.Data", "device address"},
		{"misaligned dQ", func(a *BackwardArgs) { a.DQ.Data += 2 }, ErrAlignment, "DQ.Data", "16"},
		{"dV repeats", func(a *BackwardArgs) { a.DV.StrideHead = 0 }, ErrOverlap, "DV.StrideHead", "another"},
		{"dK is dV", func(a *BackwardArgs) { a.DK = a.DV }, ErrOverlap, "DK", "of its own"},
		{"dQ is dO", func(a *BackwardArgs) { a.DQ = a.DO }, ErrOverlap, "DQ", "of its own"},
		{"dV is V", func(a *BackwardArgs) { a.DV = a.V }, ErrOverlap, "DV", "of its own"},
		{"misaligned dbias", func(a *BackwardArgs) { a.DBias += 2 }, ErrAlignment, "DBias", "4 bytes"},
		{"dbias in Q", func(a *BackwardArgs) { a.DBias = a.Q.Data + 64 }, ErrOverlap, "DBias", "of its own"},
		{"dbias at the end of memory", func(a *BackwardArgs) { a.DBias = math.MaxUint64 &^ 3 }, ErrArgument, "DBias", "address space"},
		{"no workspace", func(a *BackwardArgs) { a.Workspace = 0 }, ErrWorkspace, "Workspace", "bytes of device memory"},
		{"workspace too small", func(a *BackwardArgs) { a.WorkspaceBytes = 2*8*320*128*4 + 2*8*6*4 - 1 }, ErrWorkspace, "WorkspaceBytes", "at least 2621824"},
		{"misaligned workspace", func(a *BackwardArgs) { a.Workspace += 128 }, ErrAlignment, "Workspace", "256"},
		{"workspace over dK", func(a *BackwardArgs) { a.Workspace = a.DK.Data &^ 255 }, ErrOverlap, "DK", "of its own"},
		{"workspace over K", func(a *BackwardArgs) { a.Workspace = (a.K.Data - 4096) &^ 255 }, ErrOverlap, "Workspace", "of its own"},
		{"NaN scale", func(a *BackwardArgs) { a.Scale = float32(math.NaN()) }, ErrArgument, "Scale", "finite"},
		{"NaN bias", func(a *BackwardArgs) { a.Bias = FixedBias(float32(math.NaN())) }, ErrArgument, "Bias", "finite"},
		{"a grid too large", func(a *BackwardArgs) {
			a.Q.Batch, a.K.Batch = 1<<20, 1<<20
			a.Q.Heads, a.K.Heads = 1<<10, 1
			a.Q.SeqLen = 1 << 30
			a.K.SeqLen = 1
		}, ErrShape, "Q.Batch", "blocks"},
		{"a workspace beyond any memory", func(a *BackwardArgs) {
			a.Q.Batch, a.K.Batch = 1<<20, 1<<20
			a.Q.Heads, a.K.Heads = math.MaxInt32, 1
			a.Q.SeqLen, a.K.SeqLen = 0, 1024
		}, ErrShape, "Q.Batch", "workspace fits"},
	}
	k := unloaded(allPasses(SM80)...)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			args := backwardArgs(usual)
			c.spoil(&args)
			plan, err := k.backwardPlan("Backward", &args)
			if err == nil {
				_, err = checkBackward(k.headDim, &plan, &args)
			}
			checkArgumentError(t, err, "Backward", c.kind, c.arg, c.want)
		})
	}
}

// What is unusual and legal passes.
func TestLegalForwardArguments(t *testing.T) {
	cases := []struct {
		name   string
		change func(*ForwardArgs)
		blocks uint32
	}{
		{"as it is", func(*ForwardArgs) {}, 3 * 8 * 2},
		{"no queries", func(a *ForwardArgs) { a.Q.SeqLen, a.O.SeqLen, a.Q.Data, a.O.Data = 0, 0, 0, 0 }, 0},
		{"no keys", func(a *ForwardArgs) { a.K.SeqLen, a.V.SeqLen, a.K.Data, a.V.Data = 0, 0, 0, 0 }, 3 * 8 * 2},
		{"no batch", func(a *ForwardArgs) {
			for _, t := range []*Tensor{&a.Q, &a.K, &a.V, &a.O} {
				t.Batch, t.Data = 0, 0
			}
		}, 0},
		{"inputs repeat", func(a *ForwardArgs) { a.K.StrideBatch, a.V.StrideHead, a.Q.StrideSeq = 0, 0, 0 }, 3 * 8 * 2},
		{"inputs share memory", func(a *ForwardArgs) { a.V = a.K }, 3 * 8 * 2},
		{"a window of keys", func(a *ForwardArgs) { a.K.StrideBatch = a.K.StrideSeq * 8 }, 3 * 8 * 2},
		{"O backwards", func(a *ForwardArgs) {
			a.O.Data += DevicePtr(2 * 299 * a.O.StrideSeq)
			a.O.StrideSeq = -a.O.StrideSeq
		}, 3 * 8 * 2},
		{"odd strides of extents of 1", func(a *ForwardArgs) {
			for _, t := range []*Tensor{&a.Q, &a.K, &a.V, &a.O} {
				t.Batch, t.StrideBatch = 1, math.MinInt64+1
			}
		}, 3 * 8},
		{"batch × heads beyond 65,535", func(a *ForwardArgs) {
			for _, t := range []*Tensor{&a.Q, &a.K, &a.V, &a.O} {
				t.Batch, t.StrideBatch = 100000, t.StrideBatch*2
			}
			a.K.Data, a.V.Data, a.O.Data = 1<<45, 2<<45, 3<<45
		}, 3 * 8 * 100000},
		{"negative scale", func(a *ForwardArgs) { a.Scale = -2 }, 3 * 8 * 2},
		{"the smallest head dim", func(a *ForwardArgs) {
			for _, t := range []*Tensor{&a.Q, &a.K, &a.V, &a.O} {
				t.HeadDim = 8
			}
		}, 3 * 8 * 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			args := forwardArgs(usual)
			c.change(&args)
			_, blocks, err := checkForward(128, 128, &args)
			if err != nil || blocks != c.blocks {
				t.Errorf("%d blocks, %v, want %d and no error", blocks, err, c.blocks)
			}
		})
	}
}

func TestPackedLayoutsAreLegal(t *testing.T) {
	const b, n, h, d = 2, 512, 8, 64
	slot := func(i int) Tensor {
		return Tensor{DevicePtr(1<<30 + i*h*d*elementBytes), b, n, h, d, n * 7 * h * d, 7 * h * d, d}
	}
	if _, _, err := checkForward(128, 128, &ForwardArgs{Q: slot(0), K: slot(1), V: slot(2), O: slot(3)}); err != nil {
		t.Error(err)
	}
	k := unloaded(allPasses(SM80)...)
	args := BackwardArgs{
		Q: slot(0), K: slot(1), V: slot(2), DO: slot(3), DQ: slot(4), DK: slot(5), DV: slot(6), Workspace: 1 << 35, WorkspaceBytes: 1 << 35,
	}
	plan, err := k.backwardPlan("Backward", &args)
	if err == nil {
		_, err = checkBackward(k.headDim, &plan, &args)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestForwardParams(t *testing.T) {
	args := forwardArgs(usual)
	args.K.StrideSeq = 1 << 33 // an offset beyond 2³¹ elements
	args.K.StrideBatch = 1 << 43
	args.V.Data, args.O.Data = 1<<48, 2<<48
	p, _, err := checkForward(128, 128, &args)
	if err != nil {
		t.Fatal(err)
	}
	if p.Q != uintptr(args.Q.Data) || p.K != uintptr(args.K.Data) || p.V != uintptr(args.V.Data) || p.O != uintptr(args.O.Data) {
		t.Errorf("addresses %#x %#x %#x %#x", p.Q, p.K, p.V, p.O)
	}
	if p.KStrides.Batch != 1<<43 || p.KStrides.Seq != 1<<33 || p.KStrides.Head != 64 || p.OStrides.Seq != 512 {
		t.Errorf("strides %+v %+v", p.KStrides, p.OStrides)
	}
	q := p.Problem
	if q.Batch != 2 || q.HeadsQ != 8 || q.HeadsKV != 2 || q.SeqLenQ != 300 || q.SeqLenK != 500 || q.HeadDim != 64 {
		t.Errorf("shape %+v", q)
	}
	if q.Scale != 0.125 || !near(q.ScaleLog2, 0.125*math.Log2E) || !near(q.BiasLog2, -math.Log2(500)) {
		t.Errorf("scale %v, scale·log2 e %v, bias·log2 e %v", q.Scale, q.ScaleLog2, q.BiasLog2)
	}

	args.Scale, args.Bias = 0.3, FixedBias(-2)
	if p, _, err = checkForward(128, 128, &args); err != nil {
		t.Fatal(err)
	}
	if q := p.Problem; q.Scale != 0.3 || !near(q.ScaleLog2, 0.3*math.Log2E) || !near(q.BiasLog2, -2*math.Log2E) {
		t.Errorf("scale %v, scale·log2 e %v, bias·log2 e %v", q.Scale, q.ScaleLog2, q.BiasLog2)
	}

	args = forwardArgs(shape{1, 5, 0, 1, 1, 64})
	if p, _, err = checkForward(128, 128, &args); err != nil || p.Problem.BiasLog2 != 0 {
		t.Errorf("without keys: bias·log2 e %v, %v, want 0", p.Problem.BiasLog2, err)
	}
	args.Bias = FixedBias(0)
	args.K.SeqLen, args.V.SeqLen = 9, 9
	if p, _, err = checkForward(128, 128, &args); err != nil || p.Problem.BiasLog2 != 0 {
		t.Errorf("a bias of 0: bias·log2 e %v, %v, want 0", p.Problem.BiasLog2, err)
	}
}

func near(got float32, want float64) bool { return math.Abs(float64(got)-want) <= 1e-6*math.Abs(want) }

func TestBackwardPlan(t *testing.T) {
	all := allPasses(SM80) // fused 64×96, dK-dV 64×128, dQ 32×64
	bare := func(bias, deterministic bool) func(*BackwardArgs) {
		return func(a *BackwardArgs) {
			if !bias {
				a.DBias = 0
			}
			a.Deterministic = deterministic
		}
	}
	const processors = 11 // fewer than there are key tiles, and more
	type grids [3]uint32  // of the kernels for dK and dV, for dQ, and of the one that finishes
	cases := []struct {
		name    string
		kernels []KernelInfo
		shape   shape
		change  func(*BackwardArgs)
		grids   grids
		want    backwardPlan
	}{
		{"fast with bias", all, usual, bare(true, false), grids{6 * 2 * 2, 0, 5*8*2 + 8}, backwardPlan{
			convertTiles: 5, biasTiles: 6, accumBytes: 2 * 8 * 320 * 128 * 4, zeroBytes: 2 * 8 * 320 * 128 * 4,
			partialOffset: 2 * 8 * 320 * 128 * 4, bytes: 2*8*320*128*4 + 2*8*6*4,
		}},
		{"fast", all, usual, bare(false, false), grids{6 * 2 * 2, 0, 5 * 8 * 2}, backwardPlan{
			convertTiles: 5, biasTiles: 6, accumBytes: 2 * 8 * 320 * 128 * 4, zeroBytes: 2 * 8 * 320 * 128 * 4,
			bytes: 2 * 8 * 320 * 128 * 4,
		}},
		{"deterministic with bias", all, usual, bare(true, true), grids{4 * 2 * 2, 10 * 8 * 2, 8}, backwardPlan{
			biasTiles: 10, bytes: 2 * 8 * 10 * 4,
		}},
		{"deterministic", all, usual, bare(false, true), grids{4 * 2 * 2, 10 * 8 * 2, 0}, backwardPlan{biasTiles: 10}},
		{"in order with bias", ordered(), usual, bare(true, true), grids{processors, 0, 5*8*2 + 8}, backwardPlan{
			convertTiles: 5, biasTiles: 4 * 8, accumBytes: 2 * 8 * 320 * 128 * 4, zeroOffset: 2 * 8 * 320 * 128 * 4, zeroBytes: 16 + 2*8*5*4,
			partialOffset: 2*8*320*128*4 + 512, bytes: 2*8*320*128*4 + 512 + 2*8*4*8*4,
		}},
		{"in order, keys a tile later than queries", ordered(), shape{2, 564, 500, 8, 2, 64}, bare(false, true), grids{processors, 0, 9 * 8 * 2}, backwardPlan{
			convertTiles: 9, biasTiles: 4 * 8, accumBytes: 2 * 8 * 576 * 128 * 4, zeroBytes: 2*8*576*128*4 + 16 + 2*8*9*4,
			bytes: 2*8*576*128*4 + 16 + 2*8*9*4,
		}},
		{"in order, by less", ordered(), shape{2, 563, 500, 8, 2, 64}, bare(false, true), grids{processors, 0, 9 * 8 * 2}, backwardPlan{
			convertTiles: 9, biasTiles: 4 * 8, accumBytes: 2 * 8 * 576 * 128 * 4, zeroOffset: 2 * 8 * 576 * 128 * 4, zeroBytes: 16 + 2*8*9*4,
			bytes: 2*8*576*128*4 + 16 + 2*8*9*4,
		}},
		{"no fused kernel", []KernelInfo{all[2], all[3], all[4]}, usual, bare(true, false), grids{4 * 2 * 2, 10 * 8 * 2, 8}, backwardPlan{
			biasTiles: 10, bytes: 2 * 8 * 10 * 4,
		}},
		{"no keys", all, shape{2, 300, 0, 8, 2, 64}, bare(true, false), grids{0, 0, 5*8*2 + 8}, backwardPlan{
			convertTiles: 5, accumBytes: 2 * 8 * 320 * 128 * 4, zeroBytes: 2 * 8 * 320 * 128 * 4, partialOffset: 2 * 8 * 320 * 128 * 4,
			bytes: 2 * 8 * 320 * 128 * 4,
		}},
		{"no queries", all, shape{2, 0, 500, 8, 2, 64}, bare(true, false), grids{6 * 2 * 2, 0, 8}, backwardPlan{
			biasTiles: 6, bytes: 2 * 8 * 6 * 4,
		}},
		{"no batch", all, shape{0, 300, 500, 8, 2, 64}, bare(true, true), grids{0, 0, 8}, backwardPlan{biasTiles: 10}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := unloaded(c.kernels...)
			k.processors = processors
			args := backwardArgs(c.shape)
			c.change(&args)
			got, err := k.backwardPlan("", &args)
			var blocks grids
			for i, l := range got.launches {
				blocks[i] = l.blocks
			}
			rest := got
			rest.launches = c.want.launches
			if err != nil || rest != c.want || blocks != c.grids {
				t.Fatalf("got %+v, %v\nwant %+v, grids %v", got, err, c.want, c.grids)
			}
			if size, err := k.WorkspaceSize(args); size != c.want.bytes || err != nil {
				t.Errorf("workspace %d, %v, want %d", size, err, c.want.bytes)
			}
			args.WorkspaceBytes = got.bytes
			p, err := checkBackward(k.headDim, &got, &args)
			if err != nil {
				t.Fatal(err)
			}
			if int64(p.ConvertTiles) != got.convertTiles || int64(p.DBiasTiles) != got.biasTiles {
				t.Errorf("tiles %d, %d", p.ConvertTiles, p.DBiasTiles)
			}
			if (p.DQAccum != 0) != (got.accumBytes > 0) || (p.DBias != 0) != (args.DBias != 0) {
				t.Errorf("workspace parts %#x %#x", p.DQAccum, p.DBiasPartial)
			}
			if args.DBias != 0 && p.DBiasPartial != uintptr(args.Workspace)+uintptr(got.partialOffset) || p.DBiasPartial%256 != 0 {
				t.Errorf("partial bias gradients at %#x", p.DBiasPartial)
			}
		})
	}
}

func TestMissingPasses(t *testing.T) {
	all := allPasses(SM80)
	args := backwardArgs(usual)
	deterministic := args
	deterministic.Deterministic = true
	cases := []struct {
		name    string
		kernels []KernelInfo
		args    BackwardArgs
		want    string
	}{
		{"forward only", all[:1], args, "backward kernels"},
		{"no dQ kernel", []KernelInfo{all[2], all[4]}, deterministic, "bwddkv and bwddq"},
		{"fused only, deterministic", []KernelInfo{all[1], all[4]}, deterministic, "bwddkv and bwddq"},
		{"no finish kernel for the bias", []KernelInfo{all[2], all[3]}, deterministic, "bwdfin"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := unloaded(c.kernels...).WorkspaceSize(c.args)
			var e *PassError
			if !errors.As(err, &e) || !errors.Is(err, ErrUnsupportedPass) || e.Want != c.want || len(e.Loaded) != len(c.kernels) {
				t.Errorf("got %v, want a *PassError about %s", err, c.want)
			}
		})
	}
	if err := unloaded(all[1:]...).Forward(0, forwardArgs(usual)); !errors.Is(err, ErrUnsupportedPass) {
		t.Errorf("Forward without a forward kernel: %v", err)
	}
}

func TestCheckingAllocatesNothing(t *testing.T) {
	k := unloaded(allPasses(SM80)...)
	forward, backward := forwardArgs(usual), backwardArgs(usual)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := k.planForward("Forward", &forward); err != nil {
			t.Fatal(err)
		}
		plan, err := k.backwardPlan("Backward", &backward)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := checkBackward(k.headDim, &plan, &backward); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCheckForward(b *testing.B) {
	k := unloaded(allPasses(SM80)...)
	args := forwardArgs(usual)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = k.planForward("Forward", &args)
	}
}

func BenchmarkCheckBackward(b *testing.B) {
	k := unloaded(allPasses(SM80)...)
	args := backwardArgs(usual)
	b.ReportAllocs()
	for b.Loop() {
		plan, _ := k.backwardPlan("Backward", &args)
		_, _ = checkBackward(k.headDim, &plan, &args)
	}
}

func BenchmarkCheckPackedBackward(b *testing.B) {
	k := unloaded(allPasses(SM80)...)
	const n, h, d = 512, 8, 64
	slot := func(i int) Tensor {
		return Tensor{DevicePtr(1<<30 + i*h*d*elementBytes), 2, n, h, d, n * 7 * h * d, 7 * h * d, d}
	}
	args := BackwardArgs{
		Q: slot(0), K: slot(1), V: slot(2), DO: slot(3), DQ: slot(4), DK: slot(5), DV: slot(6), Workspace: 1 << 35, WorkspaceBytes: 1 << 35,
	}
	b.ReportAllocs()
	for b.Loop() {
		plan, _ := k.backwardPlan("Backward", &args)
		_, _ = checkBackward(k.headDim, &plan, &args)
	}
}
