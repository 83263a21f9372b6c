package sigattn

// Arch is a GPU architecture that images are built for.
type Arch int

// Architectures: compute capability times ten.
const (
	SM80 Arch = 80
	SM86 Arch = 86
	SM89 Arch = 89
	SM90 Arch = 90
)

// DType is the storage type of every tensor of a launch. Products accumulate in float32.
type DType uint8

// Storage types.
const (
	BF16 DType = iota + 1
	FP16
)

// Mask says which keys a query sees.
type Mask uint8

// Masks. Causal is aligned bottom-right: query i sees key j where j ≤ i + SeqLenK − SeqLenQ.
const (
	Full Mask = iota + 1
	Causal
)

// Sigmoid is how a kernel evaluates σ.
type Sigmoid uint8

// Sigmoid modes. Accurate bounds the relative error for every logit (5e-4 for BF16, 1e-4 for FP16); Tanh is one
// tanh.approx, whose absolute error is near 1e-6 and whose relative error grows as σ falls.
const (
	Accurate Sigmoid = iota + 1
	Tanh
)

// Pass is what one kernel computes.
type Pass uint8

// Passes. A forward launch is Forward, or ForwardSplit where there are few query rows. A backward launch is BackwardFused and
// BackwardFinish, or in deterministic mode BackwardOrdered and BackwardFinish, or BackwardDKV, BackwardDQ and BackwardFinish.
const (
	Forward         Pass = iota + 1 // O
	ForwardSplit                    // O, the blocks of a cluster sharing the keys of some query rows
	BackwardFused                   // dK, dV, and dQ added into a float32 workspace
	BackwardOrdered                 // the same, dQ always in the same order
	BackwardDKV                     // dK, dV
	BackwardDQ                      // dQ
	BackwardFinish                  // converts the dQ workspace; sums the bias gradient's partial results
)
