// Package abi declares the parameter blocks that kernels take by value. It is the Go half of
// templates/common/params.cuh; a test holds the two files to the same names, order, types and offsets.
// It knows neither the driver nor attention's rules: only layouts.
package abi

// Strides locates one tensor [batch, sequence, head, head dim]: distances in elements; the head dim is contiguous.
type Strides struct {
	Batch, Seq, Head int64
}

// Problem is the shape that every pass shares.
type Problem struct {
	Batch, HeadsQ, HeadsKV, SeqLenQ, SeqLenK int32
	HeadDim                                  int32   // the tensors' head dim, at most the kernel's
	Scale                                    float32 // of the logits
	ScaleLog2                                float32 // Scale·log2(e)
	BiasLog2                                 float32 // bias·log2(e)
	Zero                                     int32   // always 0, which the compiler cannot know: kernels order instructions by it
}

// ForwardParams is the forward kernels' only argument, but for those of sm_90.
type ForwardParams struct {
	Q, K, V, O                             uintptr
	QStrides, KStrides, VStrides, OStrides Strides
	Problem                                Problem
}

// TensorMap is a CUtensorMap: what asynchronous tensor copies read a tensor through. C aligns it to 64 bytes.
type TensorMap struct{ Words [16]uint64 }

// ForwardTensorParams is the only argument of sm_90's forward kernels.
type ForwardTensorParams struct {
	QMap, KMap, VMap, OMap TensorMap // [head dim, sequence, head, batch]
	Plain                  ForwardParams
	_                      [3]uint64 // to a multiple of TensorMap's alignment
}

// BackwardParams is the only argument of the kernels of the backward pass, but for those of sm_90 that take tensor maps.
type BackwardParams struct {
	Q, K, V, DO                             uintptr
	DQ, DK, DV                              uintptr
	DQAccum                                 uintptr // float32, one TileM × HEAD_DIM block per (batch, query head, query tile), and of sm_90 counters behind; fused pass only
	DBiasPartial                            uintptr // float32 [heads_q][batch][dbias_tiles], or 0 where no bias gradient is asked for
	DBias                                   uintptr // float32 [heads_q], or 0
	QStrides, KStrides, VStrides, DOStrides Strides
	DQStrides, DKStrides, DVStrides         Strides
	Problem                                 Problem
	DBiasTiles                              int32 // partial sums per (head, batch)
	ConvertTiles                            int32 // query tiles per (head, batch) that the finish kernel converts; 0 where another kernel makes dQ
}

// BackwardTensorParams is the only argument of sm_90's fused kernels.
type BackwardTensorParams struct {
	QMap, KMap, VMap, DOMap TensorMap // [head dim, sequence, head, batch]
	Plain                   BackwardParams
	_                       [3]uint64 // to a multiple of TensorMap's alignment
}

// BackwardDKVTensorParams is the only argument of sm_90's dK-dV kernels.
type BackwardDKVTensorParams struct {
	QMap, KMap, VMap, DOMap, DKMap, DVMap TensorMap // [head dim, sequence, head, batch]
	Plain                                 BackwardParams
	_                                     [3]uint64 // to a multiple of TensorMap's alignment
}

// BackwardDQTensorParams is the only argument of sm_90's dQ kernels.
type BackwardDQTensorParams struct {
	QMap, KMap, VMap, DOMap, DQMap TensorMap // [head dim, sequence, head, batch]
	Plain                          BackwardParams
	_                              [3]uint64 // to a multiple of TensorMap's alignment
}
