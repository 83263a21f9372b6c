package emulator

import (
	"fmt"

	"github.com/sigattn/sigattn/internal/emulator/ptx"
)

// reportShared reports what a lane does to a word of shared memory.
func (w *warp) reportShared(kind Kind, lane, word int, detail string) {
	w.report(Report{Kind: kind, Space: ptx.Shared, Address: uint64(sharedBase + 4*word), Detail: detail}, 1<<lane)
}

// reportRace reports an access that nothing orders behind a write.
func (w *warp) reportRace(lane, word int, does string, last writeShadow) {
	why := "and nothing orders the two"
	how := "writes"
	if last&inFlight != 0 {
		how, why = "copies to asynchronously", "which was not waited for"
	}
	w.reportShared(Race, lane, word, fmt.Sprintf("%s what %s %s at %v, %s",
		does, w.describeAgent(last.warp(), last.lane()), how, w.block.kernel.sites[last.step()], why))
}

// reportReadRace reports a write that nothing orders behind a read.
func (w *warp) reportReadRace(lane, word, other int, r readShadow) {
	who := w.describeAgent(other, r.reader())
	w.reportShared(Race, lane, word, fmt.Sprintf("writes what %s reads at %v, and nothing orders the two", who, w.block.kernel.sites[r.step()]))
}
