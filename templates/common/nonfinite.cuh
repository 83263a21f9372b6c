#pragma once
// Infinities and NaNs behind the mask. A tensor-core product multiplies hidden values by P = 0, but 0 * inf is NaN, which would reach rows that
// do not see them. Tiles that the mask cuts are therefore cleared of non-finite values first; what was cleared is added to the rows that
// do see it as they are stored. Both are off the path of ordinary data: a scan of the tile, and a loop that is not entered.
#include "dtype.cuh"
#include "tile.cuh"

__device__ __forceinline__ bool nonfinite(unsigned bits) { return (bits & EXPONENT_BITS) == EXPONENT_BITS; }

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

// The value of a non-finite element as a float; 0 for a finite one.
__device__ __forceinline__ float nonfinite_value(unsigned bits) {
    if (!nonfinite(bits)) return 0.0f;
    const bool nan = bits & ~EXPONENT_BITS & 0x7fffu;
    return __uint_as_float((bits & 0x8000u) << 16 | 0x7f800000u | (nan ? 0x400000u : 0u));
}

// What the non-finite values of rows [first, end) add to eight columns of a sum of them with positive weights: one chunk of the result,
// whose rows begin at `column` of the source.
__device__ __forceinline__ uint4 add_nonfinite(uint4 chunk, const Element* column, long long stride, int first, int end) {
    float sum[8] = {};
    for (int row = first; row < end; ++row) {
        const uint4 value = *reinterpret_cast<const uint4*>(column + row * stride);
        const unsigned words[4] = {value.x, value.y, value.z, value.w};
#pragma unroll
        for (int i = 0; i < 8; ++i) sum[i] += nonfinite_value(words[i / 2] >> 16 * (i % 2));
    }
    unsigned words[4] = {chunk.x, chunk.y, chunk.z, chunk.w};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        if (sum[i] == 0.0f) continue;
        const unsigned bits = pack(sum[i] + nonfinite_value(words[i / 2] >> 16 * (i % 2)), 0.0f) & 0xffffu;
        words[i / 2] = words[i / 2] & (i % 2 ? 0x0000ffffu : 0xffff0000u) | bits << 16 * (i % 2);
    }
    return make_uint4(words[0], words[1], words[2], words[3]);
}
