package sigattn

import "github.com/sigattn/sigattn/internal/abi"

// Forward submits O = σ(Scale·Q·Kᵀ + Bias)·V to the stream and returns without waiting.
//
// The calling thread's current context is the one that Load saw: a goroutine that makes a context current keeps its
// thread by runtime.LockOSThread. Forward allocates nothing on the host or the device, may be captured in a CUDA graph,
// and may be called from many goroutines. An argument that is not legal is an *ArgumentError, and nothing is launched.
// An output may lie between the rows of other tensors, as in one buffer [batch, seq, 4, heads, dim] of Q, K, V and O.
//
// Other errors wrap ErrContext, ErrUnsupportedPass, ErrClosed or ErrCUDA; as everywhere in CUDA, the last may stem from
// earlier work.
func (k *Kernel) Forward(stream Stream, args ForwardArgs) error {
	image, err := k.image(Forward)
	if err != nil {
		return err
	}
	params, blocks, err := checkForward(k.headDim, image.TileM, &args)
	if err != nil {
		return err
	}
	release, err := k.enter("Forward")
	if err != nil {
		return err
	}
	defer release()
	return launch(image, stream, blocks, &params)
}

// checkForward checks the arguments and turns them into a kernel's parameters and grid.
func checkForward(headDim, tileM int, a *ForwardArgs) (p abi.ForwardParams, blocks uint32, err error) {
	c := checker{"Forward", headDim}
	if err := c.shapes(&a.Q, &a.K); err != nil {
		return p, 0, err
	}
	if err := c.sameShape("V", &a.V, "K", &a.K); err != nil {
		return p, 0, err
	}
	if err := c.sameShape("O", &a.O, "Q", &a.Q); err != nil {
		return p, 0, err
	}
	names := [...]string{"O", "Q", "K", "V"}
	var spans [len(names)]span
	for i, t := range [len(names)]*Tensor{&a.O, &a.Q, &a.K, &a.V} {
		if err := c.place(&spans[i], names[i], t, i == 0); err != nil {
			return p, 0, err
		}
	}
	if err := c.separate(names[:], spans[:], 1); err != nil {
		return p, 0, err
	}
	problem, err := c.problem(&a.Q, &a.K, a.Scale, a.Bias)
	if err != nil {
		return p, 0, err
	}
	if blocks, err = c.grid(a.Q.SeqLen, tileM, a.Q.Heads, a.Q.Batch); err != nil {
		return p, 0, err
	}
	return abi.ForwardParams{
		Q: uintptr(a.Q.Data), K: uintptr(a.K.Data), V: uintptr(a.V.Data), O: uintptr(a.O.Data),
		QStrides: strides(&a.Q), KStrides: strides(&a.K), VStrides: strides(&a.V), OStrides: strides(&a.O),
		Problem: problem,
	}, blocks, nil
}
