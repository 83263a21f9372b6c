#pragma once
// Clears a tile in shared memory of what the mask hides, by one warp.
#include "../common/nonfinite.cuh"
#include "../ptx/shared_memory.cuh"

// Zeroes the non-finite elements of so many bytes; true where there were any.
__device__ __forceinline__ bool clear_nonfinite(unsigned tile, int bytes, int lane) {
    bool found = false;
#pragma unroll 4
    for (int offset = lane * 16; offset < bytes; offset += 32 * 16) {
        const uint4 chunk = load_shared_16(tile + offset);
        unsigned words[4] = {chunk.x, chunk.y, chunk.z, chunk.w};
        bool here = false;
#pragma unroll
        for (int i = 0; i < 4; ++i) here |= nonfinite(words[i]) | nonfinite(words[i] >> 16);
        if (!here) continue;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            if (nonfinite(words[i])) words[i] &= 0xffff0000u;
            if (nonfinite(words[i] >> 16)) words[i] &= 0x0000ffffu;
            store_shared(tile + offset + 4 * i, words[i]);
        }
        found = true;
    }
    return __any_sync(0xffffffffu, found);
}
