package sigattn

import "github.com/sigattn/sigattn/internal/driver"

// For few query rows the blocks of a cluster share the keys of each tile of them, and add up what they have of O.

// maxSplit is how many blocks a cluster may have on a device of compute capability 9.0. More than eight must be allowed.
const maxSplit = 16

// clusterCounts are how many clusters run at once on the device, by their blocks. SMs come in groups of not always the same
// number, and a cluster lies within one.
type clusterCounts [maxSplit + 1]uint32

// countClusters asks the driver.
func (i *image) countClusters() (counts clusterCounts, err error) {
	if err := i.function.SetAttribute(driver.FuncLargeClusters, 1); err != nil {
		return counts, err
	}
	for blocks := uint32(1); blocks <= maxSplit; blocks++ {
		n, err := i.function.MaxActiveClusters(driver.Launch{
			Blocks: blocks, Cluster: blocks, Threads: uint32(i.Threads), SharedBytes: uint32(i.SharedBytes),
		})
		if err != nil {
			return counts, err
		}
		counts[blocks] = uint32(n)
	}
	return counts, nil
}

// Costs of a block in key tiles.
const (
	blockCost = 4 // of its start and end
	splitCost = 2 // of adding up
)

// packedQueries is a tile's box of Q: of so many heads that share keys so many queries, 64 rows together.
func packedQueries(a *ForwardArgs) mapBox {
	group := a.Q.Heads / a.K.Heads
	heads := uint32(min(group&-group, mapRows))
	return mapBox{rows: mapRows / heads, heads: heads}
}

// splitTiles counts the tiles of query rows.
func splitTiles(a *ForwardArgs) int64 {
	box := packedQueries(a)
	return ceilDiv(int64(a.Q.SeqLen), int64(box.rows)) * int64(a.Q.Heads) / int64(box.heads) * int64(a.Q.Batch)
}

// splitKeys is the geometry with which the last block ends first.
func (i *image) splitKeys(a *ForwardArgs, tiles uint32) (best geometry) {
	keyTiles := ceilDiv(int64(a.K.SeqLen), int64(i.TileN))
	var least int64
	for blocks := uint32(1); blocks <= maxSplit && int64(blocks) <= keyTiles; blocks++ {
		if i.clusters[blocks] == 0 {
			continue
		}
		cost := ceilDiv(keyTiles, int64(blocks)) + blockCost
		if blocks > 1 {
			cost += splitCost
		}
		cost *= ceilDiv(int64(tiles), int64(i.clusters[blocks]))
		if least == 0 || cost < least {
			least, best = cost, geometry{tiles * blocks, blocks}
		}
	}
	return best
}
