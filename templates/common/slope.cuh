#pragma once
// The slope of the sigmoid: dS = sigma (1 - sigma) dP.
#include "dtype.cuh"
#include "power_of_two.cuh"

// sigma (1 - sigma) * 2^DS_SCALE_LOG2 from p = sigma * 2^P_SCALE_LOG2, to 1e-7 absolute: so to full precision but where sigma rounds to 1.
__device__ __forceinline__ float slope(float p) {
    if constexpr (P_SCALE_LOG2 == 0 && DS_SCALE_LOG2 == 0) return fmaf(-p, p, p);
    return p * fmaf(p, -power_of_two(DS_SCALE_LOG2 - 2 * P_SCALE_LOG2), power_of_two(DS_SCALE_LOG2 - P_SCALE_LOG2));
}
