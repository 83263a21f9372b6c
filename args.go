package sigattn

// Bias is b in σ(scale·QKᵀ + b). The zero value is the paper's −ln(SeqLenK), from the launch's actual key length.
type Bias struct {
	value float32
	fixed bool
}

// FixedBias is the same b for every logit.
func FixedBias(b float32) Bias { return Bias{value: b, fixed: true} }

// ForwardArgs are the tensors of O = σ(Scale·Q·Kᵀ + Bias)·V.
//
// Q and O are [Batch, SeqLenQ, HeadsQ, HeadDim]; K and V are [Batch, SeqLenK, HeadsKV, HeadDim], where HeadsKV divides
// HeadsQ and query head h reads KV head h / (HeadsQ/HeadsKV). HeadDim is a multiple of 8 up to the kernel's own. A row
// that sees no key becomes 0.
type ForwardArgs struct {
	Q, K, V, O Tensor
	Scale      float32 // of the logits; 0 means 1/√HeadDim
	Bias       Bias
}

// BackwardArgs are the tensors of the gradients of ForwardArgs' O: dQ, dK, dV from dO. The forward saves nothing.
//
// DO and DQ are shaped as Q, DK and DV as K; gradients of K and V sum over the query heads that share them.
type BackwardArgs struct {
	Q, K, V, DO    Tensor
	DQ, DK, DV     Tensor
	DBias          DevicePtr // float32 [HeadsQ], the sum of dS over batch, queries and keys; 0 where it is not wanted
	Scale          float32   // of the logits; 0 means 1/√HeadDim
	Bias           Bias
	Deterministic  bool      // equal inputs give equal bits in every output; where dQ is added up in order, Workspace is as large as without
	Workspace      DevicePtr // device memory, 256-byte aligned, that the launch may overwrite
	WorkspaceBytes int64     // at least Kernel.WorkspaceSize of these arguments
}
