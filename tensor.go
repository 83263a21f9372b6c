package sigattn

// DevicePtr is an address in device memory. Any wrapper's pointer converts to it, cu.DevicePtr among them.
type DevicePtr uintptr

// Stream is a raw CUstream handle of any origin; 0 is the default stream.
type Stream uintptr

// Tensor is a view of device memory shaped [Batch, SeqLen, Heads, HeadDim]. Strides count elements; the last dimension
// is contiguous. A stride of 0 repeats an input along that dimension. Rows start at multiples of 16 bytes.
type Tensor struct {
	Data                               DevicePtr
	Batch, SeqLen, Heads, HeadDim      int
	StrideBatch, StrideSeq, StrideHead int64
}

// BSHD is a dense tensor laid out [batch, sequence, heads, head dim].
func BSHD(data DevicePtr, batch, seqLen, heads, headDim int) Tensor {
	h, s := int64(headDim), int64(heads)*int64(headDim)
	return Tensor{data, batch, seqLen, heads, headDim, int64(seqLen) * s, s, h}
}

// BHSD is a dense tensor laid out [batch, heads, sequence, head dim].
func BHSD(data DevicePtr, batch, heads, seqLen, headDim int) Tensor {
	s, h := int64(headDim), int64(seqLen)*int64(headDim)
	return Tensor{data, batch, seqLen, heads, headDim, int64(heads) * h, s, h}
}
