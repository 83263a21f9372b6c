package sigattn

import (
	"fmt"
	"strconv"

	"github.com/sigattn/sigattn/internal/abi"
	"github.com/sigattn/sigattn/internal/driver"
)

// Backward submits the gradients dQ, dK, dV, and dbias where it is asked for, to the stream and returns without
// waiting. It is two or three launches, and a memset where dQ is added up in the workspace. Everything said of Forward holds.
//
// Workspace may be used again once the stream has passed this call. A package without the fast kernels for the device
// runs deterministically in either case. On a device of compute capability 9.0 each kernel is the image for sm_90 where each
// tensor that it maps has a tensor map, by the rule of ForwardImage: Q, K, V and DO for a kernel that makes all three
// gradients, in either mode; DK and DV too for one that makes dK and dV; Q, K, V, DO and DQ for one that makes dQ. A package that
// has only deterministic kernels for sm_90 runs them in the fast mode too, where each of their tensors has a map.
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
	if plan.zeroBytes > 0 {
		zeroed := driver.DevicePtr(params.DQAccum) + driver.DevicePtr(plan.zeroOffset)
		err := driver.MemsetWordsAsync(zeroed, 0, plan.zeroBytes/4, driver.Stream(stream))
		if err != nil {
			return fmt.Errorf("sigattn: Backward: %w", err)
		}
	}
	for i := range plan.launches {
		if err := k.launchBackward(stream, &plan.launches[i], &args, &params); err != nil {
			return err
		}
	}
	return nil
}

// BackwardImage is the image that makes dK and dV in Backward of these arguments. It reads Deterministic, whether DBias is set,
// and of the tensors the shapes and strides.
func (k *Kernel) BackwardImage(args BackwardArgs) (ImageInfo, error) {
	plan, err := k.backwardPlan("BackwardImage", &args)
	if err != nil {
		return ImageInfo{}, err
	}
	return plan.launches[0].image.info(), nil
}

// WorkspaceSize is how many bytes of device memory, at a multiple of 256, Backward of these arguments needs; it may be 0.
// It reads the shapes of Q and K, Deterministic, and whether DBias is set. The size does not change with the stream,
// the addresses or the strides.
func (k *Kernel) WorkspaceSize(args BackwardArgs) (int64, error) {
	size := int64(-1)
	var first error
	for _, unmapped := range workspaceCases {
		plan, err := k.planBackward("WorkspaceSize", &args, unmapped)
		switch {
		case err == nil:
			size = max(size, plan.bytes)
		case first == nil:
			first = err
		}
	}
	if size < 0 {
		return 0, first
	}
	return size, nil
}

// launchBackward submits one kernel of a call with the parameter block that it takes.
func (k *Kernel) launchBackward(stream Stream, l *backwardLaunch, a *BackwardArgs, plain *abi.BackwardParams) error {
	if l.blocks == 0 {
		return nil
	}
	rows, keys, own := rowsOf(uint32(l.image.TileM)), rowsOf(uint32(l.image.TileN)), rowsOf(mapRows)
	switch {
	case !l.image.mapped() || l.image.Pass == BackwardFinish:
		return launch(l.image, stream, l.geometry, plain)
	case l.image.Pass == BackwardDQ:
		params := abi.BackwardDQTensorParams{Plain: *plain}
		maps := [...]mapping{
			{&params.QMap, &a.Q, own}, {&params.KMap, &a.K, keys}, {&params.VMap, &a.V, keys}, {&params.DOMap, &a.DO, own},
			{&params.DQMap, &a.DQ, own},
		}
		return launchMapped(k, l.image, stream, l.geometry, &params, maps[:])
	case l.image.Pass == BackwardDKV:
		params := abi.BackwardDKVTensorParams{Plain: *plain}
		maps := [...]mapping{
			{&params.QMap, &a.Q, rows}, {&params.KMap, &a.K, keys}, {&params.VMap, &a.V, keys}, {&params.DOMap, &a.DO, rows},
			{&params.DKMap, &a.DK, own}, {&params.DVMap, &a.DV, own},
		}
		return launchMapped(k, l.image, stream, l.geometry, &params, maps[:])
	default:
		params := abi.BackwardTensorParams{Plain: *plain}
		maps := [...]mapping{
			{&params.QMap, &a.Q, rows}, {&params.KMap, &a.K, keys}, {&params.VMap, &a.V, keys}, {&params.DOMap, &a.DO, rows},
		}
		return launchMapped(k, l.image, stream, l.geometry, &params, maps[:])
	}
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
	if plan.zeroBytes > 0 {
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
