//go:build cu

// Besidecu runs a forward pass on a context, memory and a stream of gorgonia.org/cu's. See build.sh for what cu needs.
package main

import (
	"fmt"
	"log"
	"math"
	"runtime"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/sigattn/sigattn"
	"github.com/sigattn/sigattn/generated/d128bf16full"
)

const batch, seqLen, heads, headDim = 1, 512, 4, 128

// one is 1 in bfloat16.
const one = 0x3f80

func main() {
	log.SetFlags(0)
	log.SetPrefix("besidecu: ")
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	runtime.LockOSThread() // cu's context is current on this thread
	defer runtime.UnlockOSThread()
	gpu, err := cu.GetDevice(0)
	if err != nil {
		return err
	}
	context, err := gpu.MakeContext(cu.SchedAuto)
	if err != nil {
		return err
	}
	defer context.Destroy()
	stream, err := cu.MakeStream(cu.DefaultStream)
	if err != nil {
		return err
	}
	defer stream.Destroy()

	kernel, err := d128bf16full.Load() // for the context that is current
	if err != nil {
		return err
	}
	defer kernel.Close()

	// Q = 0, so that every logit is the bias, −ln T, and V = 1: each element of O is T·σ(−ln T) = T/(T+1).
	const elements = batch * seqLen * heads * headDim
	ones, zeros, o := make([]uint16, elements), make([]uint16, elements), make([]uint16, elements)
	for i := range ones {
		ones[i] = one
	}
	var tensors [4]sigattn.Tensor
	for i, values := range [][]uint16{zeros, ones, ones, o} {
		memory, err := cu.MemAlloc(2 * elements)
		if err != nil {
			return err
		}
		defer cu.MemFree(memory)
		if err := cu.MemcpyHtoD(memory, unsafe.Pointer(&values[0]), 2*elements); err != nil {
			return err
		}
		tensors[i] = sigattn.BSHD(sigattn.DevicePtr(memory), batch, seqLen, heads, headDim)
	}
	args := sigattn.ForwardArgs{Q: tensors[0], K: tensors[1], V: tensors[2], O: tensors[3]}
	if err := kernel.Forward(sigattn.Stream(unsafe.Pointer(stream.C())), args); err != nil {
		return err
	}
	if err := stream.Synchronize(); err != nil {
		return err
	}
	if err := cu.MemcpyDtoH(unsafe.Pointer(&o[0]), cu.DevicePtr(args.O.Data), 2*elements); err != nil {
		return err
	}
	for i, bits := range o {
		got, want := float64(math.Float32frombits(uint32(bits)<<16)), float64(seqLen)/(seqLen+1)
		if !(math.Abs(got-want) < 5e-3) {
			return fmt.Errorf("element %d of O is %g, want %g", i, got, want)
		}
	}
	fmt.Printf("%s ran on cu's stream; all %d elements of O are right\n", kernel.Info().Images[0].Name, len(o))
	return nil
}
