#pragma once
// Clears a tile of what the mask hides, by the whole block.
#include "nonfinite.cuh"
#include "tile.cuh"

// Zeroes the non-finite elements of a tile in shared memory; all THREADS threads call it. True where there were any.
template <int ROWS>
__device__ __forceinline__ bool clear_nonfinite(unsigned tile, int thread) {
    bool found = false;
    for (int offset = thread * 16; offset < ROWS * ROW_BYTES; offset += THREADS * 16) {
        Register r[4];
        asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(tile + offset) : "memory");
        bool here = false;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            if (nonfinite(r[i])) r[i] &= 0xffff0000u, here = true;
            if (nonfinite(r[i] >> 16)) r[i] &= 0x0000ffffu, here = true;
        }
        if (here) asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(tile + offset), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3]) : "memory");
        found |= here;
    }
    return __syncthreads_or(found);
}
