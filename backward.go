package sigattn

import (
	"fmt"
	"math/bits"
	"strconv"

	"github.com/sigattn/sigattn/internal/abi"
	"github.com/sigattn/sigattn/internal/driver"
)

// Backward submits the gradients dQ, dK, dV, and dbias where it is asked for, to the stream and returns without
// waiting. It is two or three launches, and a memset where it is not deterministic. Everything said of Forward holds.
//
// Workspace may be used again once the stream has passed this call. A package without the fast kernels for the device
// runs deterministically in either case. On a device of compute capability 9.0 the fast mode runs the images for sm_90 where
// each of Q, K, V, DO, DK and DV has a tensor map, by the rule of ForwardImage.
func (k *Kernel) Backward(stream Stream, args BackwardArgs) error {
	plan, err := k.backwardPlan("Backward", &args)
	if err != nil {
		return err
	}
	params, err := checkBackward(k.headDim, &plan, &args)
	if err != nil {
		return err
	}
	release, err := k.enter("Backward")
	if err != nil {
		return err
	}
	defer release()
	if !plan.fused() {
		if err := launch(k.images[BackwardDKV], stream, plan.keyBlocks, &params); err != nil {
			return err
		}
		if err := launch(k.images[BackwardDQ], stream, plan.queryBlocks, &params); err != nil {
			return err
		}
		return launch(k.images[BackwardFinish], stream, plan.finishBlocks, &params)
	}
	if plan.accumBytes > 0 {
		err := driver.MemsetWordsAsync(driver.DevicePtr(params.DQAccum), 0, plan.accumBytes/4, driver.Stream(stream))
		if err != nil {
			return fmt.Errorf("sigattn: Backward: %w", err)
		}
	}
	if plan.keys.mapped() {
		err = k.backwardMapped(stream, &plan, &args, &params)
	} else {
		err = launch(plan.keys, stream, plan.keyBlocks, &params)
	}
	if err != nil {
		return err
	}
	return launch(plan.finish, stream, plan.finishBlocks, &params)
}

// BackwardImage is the image that makes dK and dV in Backward of these arguments. It reads Deterministic, and of the tensors
// the shapes and strides.
func (k *Kernel) BackwardImage(args BackwardArgs) (ImageInfo, error) {
	images, err := k.fusedImages("BackwardImage", &args)
	if err != nil {
		return ImageInfo{}, err
	}
	if images == (fusedImages{}) {
		images.keys = k.images[BackwardDKV]
	}
	if images.keys == nil {
		return ImageInfo{}, k.lacks("backward kernels")
	}
	return images.keys.info(), nil
}

// WorkspaceSize is how many bytes of device memory, at a multiple of 256, Backward of these arguments needs; it may be 0.
// It reads the shapes of Q and K, Deterministic, and whether DBias is set. The size does not change with the stream,
// the addresses or the strides.
func (k *Kernel) WorkspaceSize(args BackwardArgs) (int64, error) {
	plain, err := k.planBackward("WorkspaceSize", &args, k.fused(&args, false))
	images := k.fused(&args, true)
	if images == (fusedImages{}) {
		return plain.bytes, err
	}
	mapped, err := k.planBackward("WorkspaceSize", &args, images)
	return max(plain.bytes, mapped.bytes), err
}

// fusedImages are the fast mode's kernels: the fused one and the one that finishes its results. The zero value is none.
type fusedImages struct{ keys, finish *image }

// fused is the fast mode's kernels that take tensor maps, or those that take any tensor.
func (k *Kernel) fused(a *BackwardArgs, mapped bool) fusedImages {
	of := &k.images
	if mapped {
		of = &k.mapped
	}
	if a.Deterministic || of[BackwardFused] == nil || of[BackwardFinish] == nil {
		return fusedImages{}
	}
	return fusedImages{of[BackwardFused], of[BackwardFinish]}
}

// fusedImages is what the fast mode runs for the arguments: none where it is not asked for or there is none.
func (k *Kernel) fusedImages(op string, a *BackwardArgs) (fusedImages, error) {
	mapped, plain := k.fused(a, true), k.fused(a, false)
	if mapped == (fusedImages{}) {
		return plain, nil
	}
	names := [...]string{"Q", "K", "V", "DO", "DK", "DV"}
	tensors := [len(names)]*Tensor{&a.Q, &a.K, &a.V, &a.DO, &a.DK, &a.DV}
	i := withoutMap(tensors[:])
	switch {
	case i < 0:
		return mapped, nil
	case plain != fusedImages{} || k.images[BackwardDKV] != nil:
		return plain, nil
	}
	return plain, checker{op, k.headDim}.noMap(names[i], tensors[i])
}

// backwardMapped launches sm_90's fused kernel.
func (k *Kernel) backwardMapped(stream Stream, plan *backwardPlan, a *BackwardArgs, plain *abi.BackwardParams) error {
	params := abi.BackwardTensorParams{Plain: *plain}
	queries, keys := uint32(plan.keys.TileM), uint32(plan.keys.TileN)
	maps := [...]mapping{
		{&params.QMap, &a.Q, queries}, {&params.KMap, &a.K, keys}, {&params.VMap, &a.V, keys}, {&params.DOMap, &a.DO, queries},
		{&params.DKMap, &a.DK, mapRows}, {&params.DVMap, &a.DV, mapRows},
	}
	if err := k.encodeMaps(plan.keys, maps[:]); err != nil {
		return err
	}
	return launch(plan.keys, stream, plan.keyBlocks, &params)
}

// backwardPlan is how one backward call runs: in fast mode memset, fused and finish kernel; in deterministic mode, without
// fusedImages, the dK-dV and the dQ kernel, and the finish kernel where a bias gradient is asked for.
type backwardPlan struct {
	op string
	fusedImages
	convertTiles  int64 // query tiles per (head, batch entry) of the dQ workspace
	biasTiles     int64 // partial bias gradients per (head, batch entry)
	accumBytes    int64 // of the dQ workspace, at its start
	partialOffset int64 // of the partial bias gradients in the workspace
	bytes         int64 // of the workspace
	keyBlocks     uint32
	queryBlocks   uint32
	finishBlocks  uint32
}

func (p *backwardPlan) fused() bool { return p.keys != nil }

// biasPartials is how many partial bias gradients a tile of the fused kernel's keys leaves: one, or where it takes tensor maps
// one for every 16 keys.
func (i fusedImages) biasPartials() int64 {
	if i.keys.mapped() {
		return int64(i.keys.TileN) / 16
	}
	return 1
}

// backwardPlan picks the images, checks the shapes of Q and K and plans the call.
func (k *Kernel) backwardPlan(op string, a *BackwardArgs) (backwardPlan, error) {
	images, err := k.fusedImages(op, a)
	if err != nil {
		return backwardPlan{}, err
	}
	return k.planBackward(op, a, images)
}

// planBackward is backwardPlan with the images given.
func (k *Kernel) planBackward(op string, a *BackwardArgs, images fusedImages) (backwardPlan, error) {
	p := backwardPlan{op: op, fusedImages: images}
	if err := k.canRunBackward(p.fused(), a); err != nil {
		return p, err
	}
	c := checker{op, k.headDim}
	if err := c.shapes(&a.Q, &a.K); err != nil {
		return p, err
	}
	q, heads, batch := &a.Q, a.Q.Heads, a.Q.Batch
	keys := k.images[BackwardDKV]
	if p.fused() {
		keys = p.keys
	}
	var err error
	if p.keyBlocks, err = c.grid(a.K.SeqLen, keys.TileN, a.K.Heads, batch); err != nil {
		return p, err
	}
	if p.fused() {
		p.convertTiles = ceilDiv(int64(q.SeqLen), int64(keys.TileM))
		p.biasTiles = ceilDiv(int64(a.K.SeqLen), int64(keys.TileN)) * p.biasPartials()
		if p.finishBlocks, err = c.grid(q.SeqLen, keys.TileM, heads, batch); err != nil {
			return p, err
		}
		rows := p.convertTiles * int64(keys.TileM)
		if p.accumBytes, err = c.workspacePart(rows, int64(heads), int64(batch), 4*int64(k.headDim)); err != nil {
			return p, err
		}
	} else {
		rows := k.images[BackwardDQ].TileM
		p.biasTiles = ceilDiv(int64(q.SeqLen), int64(rows))
		if p.queryBlocks, err = c.grid(q.SeqLen, rows, heads, batch); err != nil {
			return p, err
		}
	}
	p.bytes = p.accumBytes
	if a.DBias != 0 {
		if int64(p.finishBlocks)+int64(heads) > maxBlocks {
			return p, c.fail(ErrShape, "Q.Heads", strconv.Itoa(heads), fmt.Sprintf("at most %d blocks in a launch", maxBlocks))
		}
		p.finishBlocks += uint32(heads)
		p.partialOffset = ceilDiv(p.accumBytes, workspaceAlignment) * workspaceAlignment
		partial, err := c.workspacePart(p.biasTiles, int64(heads), int64(batch), 4)
		if err != nil {
			return p, err
		}
		p.bytes = p.partialOffset + partial
	}
	return p, nil
}

// canRunBackward reports kernels that are missing as a *PassError.
func (k *Kernel) canRunBackward(fused bool, a *BackwardArgs) error {
	switch {
	case k.images[BackwardDKV] == nil && !fused && k.images[BackwardFused] == nil:
		return k.lacks("backward kernels")
	case !fused && (k.images[BackwardDKV] == nil || k.images[BackwardDQ] == nil):
		return k.lacks(fmt.Sprintf("%v and %v", BackwardDKV, BackwardDQ))
	case !fused && a.DBias != 0 && k.images[BackwardFinish] == nil:
		return k.lacks(BackwardFinish.String())
	}
	return nil
}

// workspacePart is the size of rows·heads·batch items of so many bytes.
func (c checker) workspacePart(rows, heads, batch, bytes int64) (int64, error) {
	size := uint64(bytes)
	for _, n := range [...]int64{rows, heads, batch} {
		high, product := bits.Mul64(size, uint64(n))
		if high != 0 || product > maxReach {
			if rows == 0 || heads == 0 || batch == 0 {
				return 0, nil
			}
			return 0, c.fail(ErrShape, "Q.Batch", strconv.FormatInt(batch, 10), "a shape whose workspace fits the address space")
		}
		size = product
	}
	return int64(size), nil
}

// checkBackward checks what the plan has not and turns the arguments into the kernels' parameters.
func checkBackward(headDim int, plan *backwardPlan, a *BackwardArgs) (p abi.BackwardParams, err error) {
	c := checker{plan.op, headDim}
	for i, t := range [...]*Tensor{&a.DO, &a.DQ} {
		if err := c.sameShape([...]string{"DO", "DQ"}[i], t, "Q", &a.Q); err != nil {
			return p, err
		}
	}
	for i, t := range [...]*Tensor{&a.V, &a.DK, &a.DV} {
		if err := c.sameShape([...]string{"V", "DK", "DV"}[i], t, "K", &a.K); err != nil {
			return p, err
		}
	}
	const outputs = 5
	names := [...]string{"DQ", "DK", "DV", "DBias", "Workspace", "Q", "K", "V", "DO"}
	var spans [len(names)]span
	for i, t := range [len(names)]*Tensor{0: &a.DQ, 1: &a.DK, 2: &a.DV, 5: &a.Q, 6: &a.K, 7: &a.V, 8: &a.DO} {
		if t == nil {
			continue
		}
		if err := c.place(&spans[i], names[i], t, i < outputs); err != nil {
			return p, err
		}
	}
	if a.DBias != 0 {
		if err := c.placeBias(&spans[3], a.DBias, a.Q.Heads); err != nil {
			return p, err
		}
	}
	if plan.bytes > 0 {
		if err := c.placeWorkspace(&spans[4], a, plan.bytes); err != nil {
			return p, err
		}
	}
	if err := c.separate(names[:], spans[:], outputs); err != nil {
		return p, err
	}
	problem, err := c.problem(&a.Q, &a.K, a.Scale, a.Bias)
	if err != nil {
		return p, err
	}
	p = abi.BackwardParams{
		Q: uintptr(a.Q.Data), K: uintptr(a.K.Data), V: uintptr(a.V.Data), DO: uintptr(a.DO.Data),
		DQ: uintptr(a.DQ.Data), DK: uintptr(a.DK.Data), DV: uintptr(a.DV.Data),
		DBias:    uintptr(a.DBias),
		QStrides: strides(&a.Q), KStrides: strides(&a.K), VStrides: strides(&a.V), DOStrides: strides(&a.DO),
		DQStrides: strides(&a.DQ), DKStrides: strides(&a.DK), DVStrides: strides(&a.DV),
		Problem:      problem,
		DBiasTiles:   int32(plan.biasTiles),
		ConvertTiles: int32(plan.convertTiles),
	}
	if plan.accumBytes > 0 {
		p.DQAccum = uintptr(a.Workspace)
	}
	if a.DBias != 0 {
		p.DBiasPartial = uintptr(a.Workspace) + uintptr(plan.partialOffset)
	}
	return p, nil
}

// placeBias checks the bias gradient's address and sets s to its memory.
func (c checker) placeBias(s *span, p DevicePtr, heads int) error {
	switch {
	case p%biasAlignment != 0:
		return c.fail(ErrAlignment, "DBias", address(p), fmt.Sprintf("a multiple of %d bytes", biasAlignment))
	case !s.set(p, 4*int64(heads)):
		return c.fail(ErrArgument, "DBias", address(p), "memory within the address space")
	}
	return nil
}

// placeWorkspace checks the workspace and sets s to the bytes of it that the call uses.
func (c checker) placeWorkspace(s *span, a *BackwardArgs, bytes int64) error {
	switch {
	case a.Workspace == 0:
		return c.fail(ErrWorkspace, "Workspace", "0", fmt.Sprintf("the address of %d bytes of device memory", bytes))
	case a.WorkspaceBytes < bytes:
		return c.fail(ErrWorkspace, "WorkspaceBytes", strconv.FormatInt(a.WorkspaceBytes, 10), fmt.Sprintf("at least %d", bytes))
	case a.Workspace%workspaceAlignment != 0:
		return c.fail(ErrAlignment, "Workspace", address(a.Workspace), fmt.Sprintf("a multiple of %d bytes", workspaceAlignment))
	case !s.set(a.Workspace, bytes):
		return c.fail(ErrArgument, "Workspace", address(a.Workspace), "memory within the address space")
	}
	return nil
}
