#pragma once
// What the backward pass wants beside sigma: its slope, dS = sigma (1 - sigma) dP, times 2^DS_SCALE_LOG2.
#include "dtype.cuh"

// 2^exponent, of a constant.
__device__ constexpr float power_of_two(int exponent) {
    return exponent < 0 ? 1.0f / static_cast<float>(1ll << -exponent) : static_cast<float>(1ll << exponent);
}

// From p = sigma * 2^P_SCALE_LOG2, to 1e-7 absolute: relative to full precision wherever sigma does not round to 1.
__device__ __forceinline__ float slope(float p) {
    if constexpr (P_SCALE_LOG2 == 0 && DS_SCALE_LOG2 == 0) return fmaf(-p, p, p);
    return p * fmaf(p, -power_of_two(DS_SCALE_LOG2 - 2 * P_SCALE_LOG2), power_of_two(DS_SCALE_LOG2 - P_SCALE_LOG2));
}
