package emulator

// clocks is a vector clock: for each warp of the block the last of its epochs that happened before now. A warp's own
// entry is the epoch it is in, which ends wherever others may learn what it has done.
type clocks []uint32

// maxEpoch is what a shadow of reads can hold. A warp that synchronises more often stays in its last epoch, after which
// races of that warp may be missed, and none is made up.
const maxEpoch = 1<<22 - 1

func (c clocks) reset(self int) {
	clear(c)
	c[self] = 1
}

// join takes over what another clock knows.
func (c clocks) join(other clocks) {
	for i, x := range other {
		c[i] = max(c[i], x)
	}
}

// advance ends the warp's own epoch.
func (c clocks) advance(self int) {
	if c[self] < maxEpoch {
		c[self]++
	}
}
