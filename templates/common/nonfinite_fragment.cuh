#pragma once
// Non-finite elements of a tile that must stay as it is, because scores are made from it too: found by a scan, dropped from the fragments of
// the sums over its rows, and added to the results of the rows that see them after these are stored.
#include "../ptx/shared_memory.cuh"
#include "nonfinite_tile.cuh"
#include "tile.cuh"

// Zeroes the non-finite elements of a fragment.
__device__ __forceinline__ void zero_nonfinite(Register (&r)[4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        if (nonfinite(r[i])) r[i] &= 0xffff0000u;
        if (nonfinite(r[i] >> 16)) r[i] &= 0x0000ffffu;
    }
}

// Whether this thread's share of a tile in shared memory holds a non-finite element.
template <int ROWS>
__device__ __forceinline__ bool share_nonfinite(unsigned tile, int thread) {
    bool found = false;
#pragma unroll 1
    for (int offset = thread * 16; offset < ROWS * ROW_BYTES; offset += THREADS * 16) {
        const uint4 r = load_shared_16(tile + offset);
        const Register words[4] = {r.x, r.y, r.z, r.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) found |= nonfinite(words[i]) | nonfinite(words[i] >> 16);
    }
    return found;
}
