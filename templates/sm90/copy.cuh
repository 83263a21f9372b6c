#pragma once
// Copies of tiles, panel by panel.
#include "../ptx/mbarrier.cuh"
#include "../ptx/tma.cuh"
#include "blocks.cuh"

// Starts the copy of some panels of `rows` rows from `row` on; the barrier's phase waits for their bytes.
template <int FIRST, int END>
__device__ __forceinline__ void load_panels(unsigned place, const TensorMap& map, unsigned barrier, int rows, int row, int head, int batch) {
#pragma unroll
    for (int panel = FIRST; panel < END; ++panel)
        tma_load(place + (panel - FIRST) * rows * PANEL_ROW, map, barrier, panel * PANEL_COLUMNS, row, head, batch);
}

// Starts the copy of `rows` rows from `row` on; the barrier's phase waits for them.
__device__ __forceinline__ void load_tile(unsigned tile, const TensorMap& map, unsigned barrier, int rows, int row, int head, int batch) {
    mbarrier_arrive_expect(barrier, tile_bytes(rows));
    load_panels<0, PANELS>(tile, map, barrier, rows, row, head, batch);
}

// Sends 64 rows off, to `row` and on, from a tile of `rows` rows; they form a group of this thread's.
__device__ __forceinline__ void store_tile(const TensorMap& map, unsigned place, int rows, int row, int head, int batch) {
#pragma unroll
    for (int panel = 0; panel < PANELS; ++panel) tma_store(map, place + panel * rows * PANEL_ROW, panel * PANEL_COLUMNS, row, head, batch);
    tma_store_commit();
}
