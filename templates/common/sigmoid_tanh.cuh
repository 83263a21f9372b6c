#pragma once
// sigma(x) = (1 + tanh(x / 2)) / 2 by one tanh.approx: absolute error near 1e-6, so the relative error grows as sigma falls.
#include "../ptx/math.cuh"
#include "dtype.cuh"

// tanh(x / 2) of the raw product s; sigmoid_scale and sigmoid_bias have taken log2(e) out and the half in.
__device__ __forceinline__ float sigmoid_begin(float s, float half_scale, float half_bias) {
    return tanh_approx(fmaf(s, half_scale, half_bias));
}

// What sigmoid_begin gives where P is 0.
constexpr float SIGMOID_HIDDEN = -1.0f;

constexpr float HALF_LN2 = 0.34657359027997265f;
__device__ __forceinline__ float sigmoid_bias(float bias_log2) { return bias_log2 * HALF_LN2; }
__device__ __forceinline__ float sigmoid_scale(float scale_log2) { return scale_log2 * HALF_LN2; }

// sigma times 2^P_SCALE_LOG2.
__device__ __forceinline__ float sigmoid_short(float t) {
    constexpr float half = 0.5f * (1 << P_SCALE_LOG2);
    return fmaf(t, half, half);
}

// P is final as it stands.
template <int M_BLOCKS, int N_BLOCKS>
__device__ __forceinline__ void sigmoid_settle(float (&)[M_BLOCKS][N_BLOCKS][4], Register (&)[M_BLOCKS][2 * N_BLOCKS]) {}
