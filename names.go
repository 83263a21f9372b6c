package sigattn

import (
	"fmt"
	"strconv"
)

// word is one value's name.
type word[T comparable] struct {
	value T
	name  string
}

// The legal words, in the order that errors list them.
var (
	archWords    = []word[Arch]{{SM80, "sm_80"}, {SM86, "sm_86"}, {SM89, "sm_89"}, {SM90, "sm_90"}}
	dtypeWords   = []word[DType]{{BF16, "bf16"}, {FP16, "fp16"}}
	maskWords    = []word[Mask]{{Full, "full"}, {Causal, "causal"}}
	sigmoidWords = []word[Sigmoid]{{Accurate, "accurate"}, {Tanh, "tanh"}}
	passWords    = []word[Pass]{
		{Forward, "fwd"}, {ForwardSplit, "fwdsplit"},
		{BackwardFused, "bwd"}, {BackwardOrdered, "bwdord"}, {BackwardDKV, "bwddkv"}, {BackwardDQ, "bwddq"}, {BackwardFinish, "bwdfin"},
	}
)

// String is such as sm_80, for architectures that no kernel is made for too.
func (a Arch) String() string { return "sm_" + strconv.Itoa(int(a)) }

// Major is the compute capability's major version.
func (a Arch) Major() int { return int(a) / 10 }

// String is bf16 or fp16.
func (d DType) String() string { return nameOf(dtypeWords, d) }

// String is full or causal.
func (m Mask) String() string { return nameOf(maskWords, m) }

// String is accurate or tanh.
func (s Sigmoid) String() string { return nameOf(sigmoidWords, s) }

// String is fwd, fwdsplit, bwd, bwdord, bwddkv, bwddq or bwdfin.
func (p Pass) String() string { return nameOf(passWords, p) }

// MarshalText is String, for JSON and flags.
func (a Arch) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// MarshalText is String, for JSON and flags.
func (d DType) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// MarshalText is String, for JSON and flags.
func (m Mask) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// MarshalText is String, for JSON and flags.
func (s Sigmoid) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText is String, for JSON and flags.
func (p Pass) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// ParseArch reads an architecture that kernels can be made for. Its error is a *NameError.
func ParseArch(name string) (Arch, error) { return parse("arch", archWords, name) }

// ParseDType reads a storage type. Its error is a *NameError.
func ParseDType(name string) (DType, error) { return parse("dtype", dtypeWords, name) }

// ParseMask reads a mask. Its error is a *NameError.
func ParseMask(name string) (Mask, error) { return parse("mask", maskWords, name) }

// ParseSigmoid reads a sigmoid mode. Its error is a *NameError.
func ParseSigmoid(name string) (Sigmoid, error) { return parse("sigmoid", sigmoidWords, name) }

// ParsePass reads a pass. Its error is a *NameError.
func ParsePass(name string) (Pass, error) { return parse("pass", passWords, name) }

// nameOf is v's word; a value that has none shows as its type and number.
func nameOf[T ~uint8](words []word[T], v T) string {
	for _, w := range words {
		if w.value == v {
			return w.name
		}
	}
	return fmt.Sprintf("%T(%d)", v, uint8(v))
}

func parse[T comparable](kind string, words []word[T], name string) (T, error) {
	legal := make([]string, len(words))
	for i, w := range words {
		if w.name == name {
			return w.value, nil
		}
		legal[i] = w.name
	}
	var none T
	return none, &NameError{Kind: kind, Got: name, Want: legal}
}
