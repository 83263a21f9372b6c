#pragma once
// Tiles in shared memory as asynchronous copies leave them and products read them: panels of 64 columns, rows of 128 bytes whose 16-byte
// chunks are swizzled; and how a block's threads and registers are shared out.
#include "../common/plan.cuh"

constexpr int PANEL_COLUMNS = 64, PANEL_ROW = 128;
constexpr int PANELS = (HEAD_DIM + PANEL_COLUMNS - 1) / PANEL_COLUMNS;
constexpr int CONSUMERS = WARPS / 4 - 1;  // warpgroups of 64 rows each, behind the producer's

// Registers per thread once the producer has given most of its own to the consumers.
constexpr int PRODUCER_REGISTERS = CONSUMERS == 2 ? 40 : 32;
constexpr int CONSUMER_REGISTERS = CONSUMERS == 2 ? 232 : CONSUMERS == 3 ? 160 : 112;

__device__ constexpr int tile_bytes(int rows) { return rows * PANELS * PANEL_ROW; }

// Byte offset of a chunk of 8 columns in a tile of `rows` rows.
__device__ __forceinline__ unsigned swizzled(int row, int chunk, int rows) {
    return (chunk / 8) * rows * PANEL_ROW + row * PANEL_ROW + ((chunk % 8 ^ row % 8) << 4);
}

// Byte offset of a product's step of 16 columns, for its descriptor.
__device__ constexpr int panel_step(int step, int rows) { return step / 4 * rows * PANEL_ROW + step % 4 * 32; }

// A place in a ring of slots, with the parity of its barriers' phase, in one register.
template <int SLOTS>
struct Turn {
    int at = 0;  // the second time round counts on

    __device__ __forceinline__ int slot() const { return at < SLOTS ? at : at - SLOTS; }
    __device__ __forceinline__ unsigned parity() const { return at >= SLOTS; }
    __device__ __forceinline__ void next() { at = at + 1 < 2 * SLOTS ? at + 1 : 0; }
};
