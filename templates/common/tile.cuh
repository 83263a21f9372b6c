#pragma once
// Tiles of rows x HEAD_DIM elements in shared memory: how they are swizzled, filled and read as fragments.
#include "../ptx/cp_async.cuh"
#include "mma.cuh"
#include "plan.cuh"
#include "rows.cuh"

constexpr int ROW_BYTES = HEAD_DIM * 2;
constexpr int ROW_CHUNKS = HEAD_DIM / 8;  // of 16 bytes
constexpr int K_STEPS = HEAD_DIM / 16;    // of an mma over the head dim

// Eight rows read at one column must touch all 32 banks. Rows of whole 128-byte lines permute their chunks by row % 8; other rows
// (64 or 192 bytes) alternate between half lines already and permute by row / 2 % 4.
constexpr bool WHOLE_LINES = HEAD_DIM % 64 == 0;
constexpr int SWIZZLE_STEPS = WHOLE_LINES ? 4 : 2;  // k-steps after which the permutation repeats

__device__ __forceinline__ unsigned swizzle(int row) { return WHOLE_LINES ? row & 7 : (row >> 1) & 3; }

// Byte offset of a chunk in a tile whose first row is a multiple of 8 (and whose base is 128-byte aligned).
__device__ __forceinline__ unsigned chunk_offset(int row, int chunk) {
    return row * ROW_BYTES + ((chunk ^ swizzle(row)) << 4);
}

// Moves a fragment address from column 0 to column 16 * step. The address's swizzle bits are the lane's own, so this is one xor.
__device__ __forceinline__ unsigned at_step(unsigned address, int step) {
    return (address ^ ((step % SWIZZLE_STEPS) << 5)) + (step / SWIZZLE_STEPS) * (SWIZZLE_STEPS * 32);
}

// Where a lane points ldmatrix for rows [row, row + 16) as the A operand, or as the transposed B operand: 16 x 16 at column 0.
__device__ __forceinline__ unsigned rows_fragment(unsigned tile, int lane) { return tile + chunk_offset(lane & 15, lane >> 4); }

// The same for 16 rows as the B operand, not transposed: rows are the mma's n, columns its k.
__device__ __forceinline__ unsigned columns_fragment(unsigned tile, int lane) {
    return tile + chunk_offset((lane & 7) + ((lane >> 4) << 3), (lane >> 3) & 1);
}

// How the block's threads share a tile's copy: COPY_LANES neighbours take a row, each every COPY_LANES-th chunk of it, so that a
// thread's addresses differ by constants.
constexpr int COPY_LANES = WHOLE_LINES ? 8 : 4;
constexpr int COPY_ROWS = THREADS / COPY_LANES;  // per step
static_assert(COPY_ROWS % 8 == 0, "a thread's rows share one swizzle");

// Starts the copy of rows [first, first + ROWS) to shared memory by all threads. Rows at or beyond `end` and columns at or beyond `head_dim`
// become zeros.
template <int ROWS>
__device__ __forceinline__ void load_tile(unsigned tile, const Rows& source, int first, int end, int head_dim, int thread) {
    const int thread_row = thread / COPY_LANES, thread_chunk = thread % COPY_LANES;
    const Element* from = source.row(first + thread_row) + thread_chunk * 8;
    const unsigned to = tile + chunk_offset(thread_row, thread_chunk);
#pragma unroll
    for (int row = 0; row < ROWS; row += COPY_ROWS) {
        if (ROWS % COPY_ROWS == 0 || row + thread_row < ROWS) {
#pragma unroll
            for (int chunk = 0; chunk < ROW_CHUNKS; chunk += COPY_LANES) {
                const bool inside = first + row + thread_row < end && (chunk + thread_chunk) * 8 < head_dim;
                cp_async_16(to + row * ROW_BYTES + chunk * 16, from + chunk * 8, inside ? 16 : 0);
            }
        }
        from += COPY_ROWS * source.stride;
    }
}
