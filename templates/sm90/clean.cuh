#pragma once
// Non-finite values in a tile in shared memory: found, by one warp, or cleared, by any number of threads.
#include "../common/nonfinite.cuh"
#include "../ptx/shared_memory.cuh"
#include "../ptx/tma.cuh"

// Whether all eight elements are finite: where an exponent has a zero bit, the sum with its mask carries into the sign's place.
__device__ __forceinline__ bool finite(const uint4& chunk) {
    constexpr unsigned exponents = EXPONENT_BITS | EXPONENT_BITS << 16, signs = 0x80008000u;
    unsigned carries = (~chunk.x & exponents) + exponents;
    carries &= (~chunk.y & exponents) + exponents;
    carries &= (~chunk.z & exponents) + exponents;
    carries &= (~chunk.w & exponents) + exponents;
    return (carries & signs) == signs;
}

// Whether any element of so many bytes is not finite. The loads are complete then: a copy may overwrite the tile.
__device__ __forceinline__ bool any_nonfinite(unsigned tile, int bytes, int lane) {
    bool found = false;
#pragma unroll 2
    for (int offset = lane * 16; offset < bytes; offset += 32 * 16) found |= !finite(load_shared_16(tile + offset));
    fence_async_shared();
    return __any_sync(0xffffffffu, found);
}

// Zeroes a thread's share of the non-finite elements of so many bytes.
__device__ __forceinline__ void clear_nonfinite(unsigned tile, int bytes, int thread, int threads = 32) {
#pragma unroll 1
    for (int offset = thread * 16; offset < bytes; offset += threads * 16) {
        const uint4 chunk = load_shared_16(tile + offset);
        if (finite(chunk)) continue;
        unsigned words[4] = {chunk.x, chunk.y, chunk.z, chunk.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            if (nonfinite(words[i])) words[i] &= 0xffff0000u;
            if (nonfinite(words[i] >> 16)) words[i] &= 0x0000ffffu;
            store_shared(tile + offset + 4 * i, words[i]);
        }
    }
}
