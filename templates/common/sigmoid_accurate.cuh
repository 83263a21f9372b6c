#pragma once
// The accurate sigmoid: with e = exp(x), sigma = e / (1 + e). Where e < 2^-5, as nearly everywhere at b = -ln n, the short form
// e - e^2 + e^3 is within 3e-5 and needs no reciprocal; a warp votes on its packed results and rebuilds them from e where one is larger.
#include "../ptx/math.cuh"
#include "dtype.cuh"

// 2^P_SCALE_LOG2 * exp(x) of the raw product s, x = scale * s + bias.
__device__ __forceinline__ float sigmoid_begin(float s, float scale_log2, float bias_log2) {
    return exp2_approx(fmaf(s, scale_log2, bias_log2));
}

// What sigmoid_begin gives where P is 0: in either form.
constexpr float SIGMOID_HIDDEN = 0.0f;

// Host-side bias is unscaled; the kernel's own copy carries P's power of two through the exponential.
__device__ __forceinline__ float sigmoid_bias(float bias_log2) { return bias_log2 + P_SCALE_LOG2; }
__device__ __forceinline__ float sigmoid_scale(float scale_log2) { return scale_log2; }

// The short form, times 2^P_SCALE_LOG2.
__device__ __forceinline__ float sigmoid_short(float e) {
    constexpr float unscale = 1.0f / (1 << P_SCALE_LOG2);
    if constexpr (P_SCALE_LOG2 == 0) return fmaf(e, fmaf(e, e, -e), e);
    const float u = e * unscale;
    return fmaf(e, fmaf(u, u, -u), e);
}

// Whether every packed result of the warp lies in the short form's range.
__device__ __forceinline__ bool short_form_holds(Register largest) {
    return __all_sync(0xffffffffu, max(largest & 0xffffu, largest >> 16) < SHORT_FORM_LIMIT);
}

// sigma of four values from their e, with one reciprocal; both are times `scale`. Where e is not BOUNDED by SIGMOID_BOUND, a clamp keeps the product
// of four finite and turns an infinite e into sigma = 1, and the denominators drop a NaN so that it spoils only its own value.
constexpr float SIGMOID_BOUND = 1e9f;
template <bool BOUNDED = false>
__device__ __forceinline__ void sigmoid_long(float (&e)[4], float scale = 1 << P_SCALE_LOG2) {
    const float unscale = 1.0f / scale, largest = SIGMOID_BOUND * scale;
    float d[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        d[i] = fmaf(BOUNDED ? e[i] : fminf(e[i], largest), unscale, 1.0f);
        if (!BOUNDED) e[i] = min_or_nan(e[i], largest);
    }
    const float d01 = d[0] * d[1], d23 = d[2] * d[3], r = reciprocal_approx(d01 * d23);
    const float r01 = r * d23, r23 = r * d01;
    e[0] *= r01 * d[1];
    e[1] *= r01 * d[0];
    e[2] *= r23 * d[3];
    e[3] *= r23 * d[2];
}

// Settles the P of a group of keys: where the warp's vote on the short form fails, rebuilds it from the e that sigmoid_begin left.
template <int M_BLOCKS, int N_BLOCKS>
__device__ __forceinline__ void sigmoid_settle(float (&e)[M_BLOCKS][N_BLOCKS][4], Register (&p)[M_BLOCKS][2 * N_BLOCKS]) {
    Register largest = p[0][0];
#pragma unroll
    for (int i = 1; i < 2 * M_BLOCKS * N_BLOCKS; ++i) largest = max_halves(largest, p[i / (2 * N_BLOCKS)][i % (2 * N_BLOCKS)]);
    if (short_form_holds(largest)) return;
#pragma unroll
    for (int mb = 0; mb < M_BLOCKS; ++mb)
#pragma unroll
        for (int n = 0; n < N_BLOCKS; ++n) {
            sigmoid_long(e[mb][n]);
            p[mb][2 * n] = pack(e[mb][n][0], e[mb][n][1]);
            p[mb][2 * n + 1] = pack(e[mb][n][2], e[mb][n][3]);
        }
}
