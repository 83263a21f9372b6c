package sigattn_test

import (
	"errors"
	"fmt"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/generated/d128bf16causal"
)

// Addresses and a stream of any CUDA library.
var (
	q, k, v, o sigattn.DevicePtr
	stream     sigattn.Stream
)

const batch, seqLen, heads = 2, 4096, 16

// A forward pass. Load finds the CUDA context that is current on the calling thread.
func Example() {
	kernel, err := d128bf16causal.Load()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer kernel.Close()
	err = kernel.Forward(stream, sigattn.ForwardArgs{
		Q: sigattn.BSHD(q, batch, seqLen, heads, 128),
		K: sigattn.BSHD(k, batch, seqLen, heads, 128),
		V: sigattn.BSHD(v, batch, seqLen, heads, 128),
		O: sigattn.BSHD(o, batch, seqLen, heads, 128),
	})
	if err != nil {
		fmt.Println(err)
	}
}

// Errors tell what is wrong with which argument; nothing has been launched.
func ExampleArgumentError() {
	var err error = &sigattn.ArgumentError{
		Op: "Forward", Arg: "K.Heads", Got: "3", Want: "a divisor of Q.Heads, 8", Kind: sigattn.ErrShape,
	}
	fmt.Println(err)
	fmt.Println(errors.Is(err, sigattn.ErrShape), errors.Is(err, sigattn.ErrArgument), errors.Is(err, sigattn.ErrOverlap))
	// Output:
	// sigattn: Forward: K.Heads is 3, want a divisor of Q.Heads, 8
	// true true false
}
