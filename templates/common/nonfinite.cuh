#pragma once
// Infinities and NaNs behind the mask. A tensor-core product multiplies hidden values by P = 0, but 0 * inf is NaN, which would reach rows that
// do not see them. Tiles that the mask cuts are therefore cleared of non-finite values first; what was cleared is added to the rows that
// do see it as they are stored. Both are off the path of ordinary data: a scan of the tile, and a loop that is not entered.
#include "dtype.cuh"
#include "rows.cuh"

__device__ __forceinline__ bool nonfinite(unsigned bits) { return (bits & EXPONENT_BITS) == EXPONENT_BITS; }

// The value of a non-finite element as a float; 0 for a finite one.
__device__ __forceinline__ float nonfinite_value(unsigned bits) { return nonfinite(bits) ? unpack(bits & 0xffffu) : 0.0f; }

// Whether sigma of the logit of two rows is exactly 0: a logit of -inf, which takes an infinity in one of them.
__device__ __forceinline__ bool vanishes(const Element* a, const Element* b, int head_dim, float scale) {
    float sum = 0.0f;
#pragma unroll 1
    for (int i = 0; i < head_dim; ++i) sum = fmaf(unpack(a[i]), unpack(b[i]), sum);
    return sum * scale == -__uint_as_float(0x7f800000u);
}

// What the non-finite values of rows [first, end) add to eight columns of their sum with weights P: one chunk of the result, whose rows begin
// at `column` of the source. P is positive, or 0 where the logit of `own` and that row of `others` is -inf.
__device__ __forceinline__ uint4 add_nonfinite(uint4 chunk, const Element* column, long long stride, int first, int end, const Element* own,
                                               const Rows& others, int head_dim, float scale) {
    float sum[8] = {};
    for (int row = first; row < end; ++row) {
        const uint4 value = *reinterpret_cast<const uint4*>(column + row * stride);
        const unsigned words[4] = {value.x, value.y, value.z, value.w};
        bool found = false;
#pragma unroll
        for (int i = 0; i < 8; ++i) found |= nonfinite(words[i / 2] >> 16 * (i % 2));
        if (!found) continue;
        const float p = vanishes(own, others.row(row), head_dim, scale) ? 0.0f : 1.0f;
#pragma unroll
        for (int i = 0; i < 8; ++i) sum[i] += p * nonfinite_value(words[i / 2] >> 16 * (i % 2));
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

// A chunk of a sum of rows [first, end) whose weights P (1 - P) are 0 or NaN where the rows are not finite: NaN in the columns where one is.
__device__ __forceinline__ uint4 spoil_nonfinite(uint4 chunk, const Element* column, long long stride, int first, int end) {
    unsigned words[4] = {chunk.x, chunk.y, chunk.z, chunk.w};
    for (int row = first; row < end; ++row) {
        const uint4 value = *reinterpret_cast<const uint4*>(column + row * stride);
        const unsigned sources[4] = {value.x, value.y, value.z, value.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            if (nonfinite(sources[i])) words[i] |= 0x7fffu;
            if (nonfinite(sources[i] >> 16)) words[i] |= 0x7fff0000u;
        }
    }
    return make_uint4(words[0], words[1], words[2], words[3]);
}
