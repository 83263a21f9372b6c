package sigattn

import (
	"cmp"
	"fmt"
	"math/bits"
	"strconv"
)

// tensorSet is a set of a backward call's tensors.
type tensorSet uint8

const (
	setQ tensorSet = 1 << iota
	setK
	setV
	setDO
	setDQ
	setDK
	setDV
	inputs = setQ | setK | setV | setDO
)

// backwardNames are the tensors' names, in the order of tensorSet's bits.
var backwardNames = [...]string{"Q", "K", "V", "DO", "DQ", "DK", "DV"}

// mappedBy are the tensors that sm_90's kernels take through tensor maps.
var mappedBy = [...]tensorSet{
	BackwardFused:   inputs,
	BackwardOrdered: inputs,
	BackwardDKV:     inputs | setDK | setDV,
	BackwardDQ:      inputs | setDQ,
}

// tensors are the call's, in the order of tensorSet's bits.
func (a *BackwardArgs) tensors() [len(backwardNames)]*Tensor {
	return [...]*Tensor{&a.Q, &a.K, &a.V, &a.DO, &a.DQ, &a.DK, &a.DV}
}

// unmapped are the tensors that have no map.
func (a *BackwardArgs) unmapped() (s tensorSet) {
	for i, t := range a.tensors() {
		if !hasMap(t) {
			s |= 1 << i
		}
	}
	return s
}

// workspaceCases are tensors without maps that between them call for every workspace: the size follows from the kernel that makes
// dQ, and dQ's own may have its maps where dK's and dV's has not.
var workspaceCases = [...]tensorSet{0, setDK, inputs}

// backwardKernels are the images that a call runs, in this order. The first makes dK and dV. The second makes dQ; it is nil where
// the first adds dQ up in the workspace, in deterministic mode always in the same order. The third turns such sums into dQ, and
// adds up the bias gradient; it may be nil where there is neither.
type backwardKernels struct{ keys, queries, finish *image }

// fused are the kernel of a pass that makes all three gradients and the one that finishes, among the images that take tensor
// maps, or those that take any tensor.
func fused(p Pass, of *[BackwardFinish + 1]*image) (b backwardKernels, ok bool) {
	b = backwardKernels{keys: of[p], finish: of[BackwardFinish]}
	return b, b.keys != nil && b.finish != nil
}

// backwardKernels picks the images for a call some of whose tensors have no map.
func (k *Kernel) backwardKernels(c checker, a *BackwardArgs, unmapped tensorSet) (backwardKernels, error) {
	for _, p := range [...]Pass{BackwardFused, BackwardOrdered} {
		if p == BackwardFused && a.Deterministic {
			continue
		}
		if b, ok := fused(p, &k.mapped); ok && unmapped&mappedBy[p] == 0 {
			return b, nil
		}
	}
	pair := k.mapped[BackwardDKV] != nil && k.mapped[BackwardDQ] != nil && unmapped == 0
	if b, ok := fused(BackwardFused, &k.images); ok && !pair && !a.Deterministic {
		return b, nil
	}
	b := backwardKernels{
		keys:    k.backwardImage(BackwardDKV, unmapped),
		queries: k.backwardImage(BackwardDQ, unmapped),
		finish:  cmp.Or(k.images[BackwardFinish], k.mapped[BackwardFinish]),
	}
	switch {
	case b.keys == nil || b.queries == nil:
		return b, k.lacksBackward(c, a, unmapped)
	case b.finish == nil && a.DBias != 0:
		return b, k.lacks(BackwardFinish.String())
	}
	return b, nil
}

// backwardImage is a pass's image for a call some of whose tensors have no map; nil where the package has none.
func (k *Kernel) backwardImage(p Pass, unmapped tensorSet) *image {
	if mapped := k.mapped[p]; mapped != nil && unmapped&mappedBy[p] == 0 {
		return mapped
	}
	return k.images[p]
}

// lacksBackward says why no images compute a call: they would, if a tensor had a map; or they are not there.
func (k *Kernel) lacksBackward(c checker, a *BackwardArgs, unmapped tensorSet) error {
	for _, p := range [...]Pass{BackwardFused, BackwardOrdered, BackwardDKV, BackwardDQ} {
		without := unmapped & mappedBy[p]
		if k.mapped[p] == nil || without == 0 || p == BackwardFused && a.Deterministic {
			continue
		}
		i := bits.TrailingZeros8(uint8(without))
		return c.noMap(backwardNames[i], a.tensors()[i])
	}
	for _, p := range [...]Pass{BackwardFused, BackwardDKV} {
		if k.mapped[p] != nil || k.images[p] != nil {
			return k.lacks(fmt.Sprintf("%v and %v", BackwardDKV, BackwardDQ))
		}
	}
	return k.lacks("backward kernels")
}

// backwardLaunch is one kernel of a call. Of no blocks, it is none.
type backwardLaunch struct {
	image *image
	geometry
}

// backwardPlan is how one backward call runs: a memset of a part of the dQ workspace if there is one, then launches, in the order
// of backwardKernels.
type backwardPlan struct {
	op            string
	launches      [3]backwardLaunch
	convertTiles  int64 // query tiles per (head, batch entry) of the dQ workspace
	biasTiles     int64 // partial bias gradients per (head, batch entry)
	accumBytes    int64 // of the dQ workspace, at its start
	zeroOffset    int64 // of what is zeroed in the workspace
	zeroBytes     int64
	partialOffset int64 // of the partial bias gradients in the workspace
	bytes         int64 // of the workspace
}

// backwardPlan checks the shapes of Q and K, picks the images and plans the call.
func (k *Kernel) backwardPlan(op string, a *BackwardArgs) (backwardPlan, error) {
	return k.planBackward(op, a, a.unmapped())
}

// planBackward is backwardPlan with the tensors given that have no map.
func (k *Kernel) planBackward(op string, a *BackwardArgs, unmapped tensorSet) (backwardPlan, error) {
	c, p := checker{op, k.headDim}, backwardPlan{op: op}
	if err := c.shapes(&a.Q, &a.K); err != nil {
		return p, err
	}
	b, err := k.backwardKernels(c, a, unmapped)
	if err != nil {
		return p, err
	}
	if b.queries != nil {
		err = p.separate(c, a, b)
	} else {
		err = p.fused(c, a, b, k.processors)
	}
	if err != nil || a.DBias == 0 {
		return p, err
	}
	return p, p.addBias(c, a)
}

// fused plans a kernel that adds dQ up in the workspace, and one that converts the sums.
func (p *backwardPlan) fused(c checker, a *BackwardArgs, b backwardKernels, processors uint32) (err error) {
	rows, heads, batch := b.keys.TileM, a.Q.Heads, a.Q.Batch
	p.convertTiles = ceilDiv(int64(a.Q.SeqLen), int64(rows))
	p.biasTiles = b.keys.biasPartials(a.K.SeqLen, b.keys.TileN)
	if p.launches[0], err = b.keys.over(c, a.K.SeqLen, b.keys.TileN, a.K.Heads, batch); err != nil {
		return err
	}
	if p.launches[2], err = b.finish.over(c, a.Q.SeqLen, rows, heads, batch); err != nil {
		return err
	}
	p.accumBytes, err = c.workspacePart(p.convertTiles*int64(rows), int64(heads), int64(batch), 4*int64(c.headDim))
	if err != nil {
		return err
	}
	p.bytes, p.zeroBytes = p.accumBytes, p.accumBytes
	if b.keys.mapped() {
		return p.addCounters(c, a, b.keys, processors)
	}
	return nil
}

// taskBytes is the size of the workspace's counter of the key tiles that blocks have taken.
const taskBytes = 16

// addCounters has blocks stay on their SMs and take key tiles, which a counter in the workspace counts. In deterministic mode there is
// one for each query tile too, of the key tiles in its sums. The one that comes first stores, so that sums are zeroed only where the
// causal mask may leave query tiles that see no key.
func (p *backwardPlan) addCounters(c checker, a *BackwardArgs, keys *image, processors uint32) error {
	p.launches[0].blocks = min(p.launches[0].blocks, processors)
	counters := int64(taskBytes)
	if keys.Pass == BackwardOrdered {
		turns, err := c.workspacePart(p.convertTiles, int64(a.Q.Heads), int64(a.Q.Batch), 4)
		if err != nil {
			return err
		}
		counters += turns
		if a.Q.SeqLen-a.K.SeqLen < keys.TileM {
			p.zeroOffset, p.zeroBytes = p.accumBytes, 0
		}
	}
	p.bytes += counters
	p.zeroBytes += counters
	return nil
}

// separate plans a kernel for dK and dV, and one for dQ. The one that finishes has only the bias gradient to add up.
func (p *backwardPlan) separate(c checker, a *BackwardArgs, b backwardKernels) (err error) {
	p.biasTiles = b.queries.biasPartials(a.Q.SeqLen, b.queries.TileM)
	if p.launches[0], err = b.keys.over(c, a.K.SeqLen, b.keys.TileN, a.K.Heads, a.Q.Batch); err != nil {
		return err
	}
	p.launches[2].image = b.finish
	p.launches[1], err = b.queries.over(c, a.Q.SeqLen, b.queries.TileM, a.Q.Heads, a.Q.Batch)
	return err
}

// addBias gives the last launch a block for each head, which adds up its partial bias gradients.
func (p *backwardPlan) addBias(c checker, a *BackwardArgs) error {
	finish, heads := &p.launches[2], a.Q.Heads
	if int64(finish.blocks)+int64(heads) > maxBlocks {
		return c.fail(ErrShape, "Q.Heads", strconv.Itoa(heads), fmt.Sprintf("at most %d blocks in a launch", maxBlocks))
	}
	finish.blocks += uint32(heads)
	p.partialOffset = ceilDiv(p.bytes, workspaceAlignment) * workspaceAlignment
	partial, err := c.workspacePart(p.biasTiles, int64(heads), int64(a.Q.Batch), 4)
	p.bytes = p.partialOffset + partial
	return err
}

// over is a launch of the image over tiles of n rows for every head and batch entry.
func (i *image) over(c checker, n, tile, heads, batch int) (backwardLaunch, error) {
	blocks, err := c.grid(n, tile, heads, batch)
	return backwardLaunch{i, geometry{blocks: blocks}}, err
}

// biasPartials is how many partial bias gradients the image leaves of n rows: one of each tile, or where it takes tensor maps one of
// each 16 rows of the tiles.
func (i *image) biasPartials(n, tile int) int64 {
	tiles := ceilDiv(int64(n), int64(tile))
	if i.mapped() {
		return tiles * int64(tile) / 16
	}
	return tiles
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
