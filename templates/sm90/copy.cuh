#pragma once
// Copies of tiles, panel by panel.
#include "../ptx/mbarrier.cuh"
#include "../ptx/tma.cuh"
#include "blocks.cuh"

// Starts the copy of `rows` rows from `row` on; the barrier's phase waits for them.
__device__ __forceinline__ void load_tile(unsigned tile, const TensorMap& map, unsigned barrier, int rows, int row, int head, int batch) {
    mbarrier_arrive_expect(barrier, tile_bytes(rows));
#pragma unroll
    for (int panel = 0; panel < PANELS; ++panel) tma_load(tile + panel * rows * PANEL_ROW, map, barrier, panel * PANEL_COLUMNS, row, head, batch);
}

// Sends 64 rows off, to `row` and on, from a tile of `rows` rows; they form a group of this thread's.
__device__ __forceinline__ void store_tile(const TensorMap& map, unsigned place, int rows, int row, int head, int batch) {
#pragma unroll
    for (int panel = 0; panel < PANELS; ++panel) tma_store(map, place + panel * rows * PANEL_ROW, panel * PANEL_COLUMNS, row, head, batch);
    tma_store_commit();
}
