package sigattn

import (
	"cmp"

	"github.com/sigattn/sigattn/internal/abi"
)

// Forward submits O = σ(Scale·Q·Kᵀ + Bias)·V to the stream and returns without waiting.
//
// The calling thread's current context is the one that Load saw: a goroutine that makes a context current keeps its
// thread by runtime.LockOSThread. Forward allocates nothing on the host or the device, may be captured in a CUDA graph,
// and may be called from many goroutines. An argument that is not legal is an *ArgumentError, and nothing is launched.
// An output may lie between the rows of other tensors, as in one buffer [batch, seq, 4, heads, dim] of Q, K, V and O.
//
// On a device of compute capability 9.0 it runs the image for sm_90 where a tensor map can describe every tensor, and the one
// for sm_80 where not; ForwardImage has the rule.
//
// Other errors wrap ErrContext, ErrUnsupportedPass, ErrClosed or ErrCUDA; as everywhere in CUDA, the last may stem from
// earlier work.
func (k *Kernel) Forward(stream Stream, args ForwardArgs) error {
	f, err := k.planForward("Forward", &args)
	if err != nil {
		return err
	}
	release, err := k.enter("Forward")
	if err != nil {
		return err
	}
	defer release()
	if !f.image.mapped() {
		return launch(f.image, stream, f.geometry, &f.params)
	}
	return k.forwardMapped(stream, &f, &args)
}

// ForwardImage is the image that Forward of these arguments runs, or would run if there were anything to compute. It checks
// them as Forward does.
//
// The image for sm_90, which a device of compute capability 9.0 has, reads and writes tensors through tensor maps. It runs
// where each of Q, K, V and O has one: no extent is 0, and the stride of every dimension of more than one index is positive
// and less than 2⁴⁰ bytes. The image for sm_80 runs where one has none; a package without it refuses such arguments.
//
// With tensor maps, ForwardSplit's image runs where query rows make at most as many of its tiles as the device has SMs. Such a
// tile is of 64 rows, and takes heads that share keys together: as many as the largest power of two that divides their number.
func (k *Kernel) ForwardImage(args ForwardArgs) (ImageInfo, error) {
	f, err := k.planForward("ForwardImage", &args)
	if err != nil {
		return ImageInfo{}, err
	}
	return f.image.info(), nil
}

// forwardPlan is how one forward call runs.
type forwardPlan struct {
	image  *image
	params abi.ForwardParams
	geometry
}

// planForward checks the arguments, picks the image and turns the arguments into its parameters and geometry.
func (k *Kernel) planForward(op string, a *ForwardArgs) (f forwardPlan, err error) {
	if k.images[Forward] == nil && k.mapped[Forward] == nil {
		return f, k.lacks(Forward.String())
	}
	c := checker{op, k.headDim}
	if f.params, err = c.forward(a); err != nil {
		return f, err
	}
	if f.image, err = k.forwardImage(c, a); err != nil {
		return f, err
	}
	tiles, err := c.grid(a.Q.SeqLen, f.image.TileM, a.Q.Heads, a.Q.Batch)
	if err != nil {
		return f, err
	}
	f.blocks = tiles
	if !f.image.mapped() || tiles == 0 {
		return f, nil
	}
	f.blocks = min(tiles, k.processors)
	split, few := k.mapped[ForwardSplit], splitTiles(a)
	if split != nil && few <= int64(k.processors) {
		f.image, f.geometry = split, split.splitKeys(a, uint32(few))
	}
	return f, nil
}

// forwardImage is the image for legal arguments.
func (k *Kernel) forwardImage(c checker, a *ForwardArgs) (*image, error) {
	mapped, plain := k.mapped[Forward], k.images[Forward]
	if mapped == nil {
		return plain, nil
	}
	if a.Q.Batch == 0 || a.Q.SeqLen == 0 { // nothing is launched
		return cmp.Or(plain, mapped), nil
	}
	names := [...]string{"Q", "K", "V", "O"}
	tensors := [len(names)]*Tensor{&a.Q, &a.K, &a.V, &a.O}
	i := withoutMap(tensors[:])
	switch {
	case i < 0:
		return mapped, nil
	case plain != nil:
		return plain, nil
	}
	return nil, c.noMap(names[i], tensors[i])
}

// forwardMapped launches a kernel that takes tensor maps.
func (k *Kernel) forwardMapped(stream Stream, f *forwardPlan, a *ForwardArgs) error {
	if f.blocks == 0 {
		return nil
	}
	params := abi.ForwardTensorParams{Plain: f.params}
	queries, keys := rowsOf(mapRows), rowsOf(uint32(f.image.TileN))
	if f.image.Pass == ForwardSplit {
		queries = packedQueries(a)
	}
	maps := [...]mapping{
		{&params.QMap, &a.Q, queries}, {&params.KMap, &a.K, keys}, {&params.VMap, &a.V, keys}, {&params.OMap, &a.O, rowsOf(mapRows)},
	}
	return launchMapped(k, f.image, stream, f.geometry, &params, maps[:])
}

// forward checks the arguments and turns them into the kernels' parameters.
func (c checker) forward(a *ForwardArgs) (p abi.ForwardParams, err error) {
	if err := c.shapes(&a.Q, &a.K); err != nil {
		return p, err
	}
	if err := c.sameShape("V", &a.V, "K", &a.K); err != nil {
		return p, err
	}
	if err := c.sameShape("O", &a.O, "Q", &a.Q); err != nil {
		return p, err
	}
	names := [...]string{"O", "Q", "K", "V"}
	var spans [len(names)]span
	for i, t := range [len(names)]*Tensor{&a.O, &a.Q, &a.K, &a.V} {
		if err := c.place(&spans[i], names[i], t, i == 0); err != nil {
			return p, err
		}
	}
	if err := c.separate(names[:], spans[:], 1); err != nil {
		return p, err
	}
	problem, err := c.problem(&a.Q, &a.K, a.Scale, a.Bias)
	if err != nil {
		return p, err
	}
	return abi.ForwardParams{
		Q: uintptr(a.Q.Data), K: uintptr(a.K.Data), V: uintptr(a.V.Data), O: uintptr(a.O.Data),
		QStrides: strides(&a.Q), KStrides: strides(&a.K), VStrides: strides(&a.V), OStrides: strides(&a.O),
		Problem: problem,
	}, nil
}
