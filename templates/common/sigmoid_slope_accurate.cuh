#pragma once
// The accurate sigmoid and its slope for the fragments of a warpgroup's product, from one exponential: with e = exp(x), sigma = e / (1 + e) and
// the slope sigma / (1 + e). Where every e of a warp is below 2^-5, sigma is the short form e - e^2 + e^3 and the slope sigma - sigma^2, which
// cancels nothing there; both are within 3e-5.
#include "power_of_two.cuh"
#include "sigmoid_accurate.cuh"
#include "vote.cuh"

// From what sigmoid_begin gave: P, packed, and in e's place the slope times 2^DS_SCALE_LOG2.
template <int COUNT>
__device__ __forceinline__ void sigmoid_slopes(float (&e)[COUNT], Register (&p)[COUNT / 2]) {
    constexpr float scale = power_of_two(P_SCALE_LOG2), slope_scale = power_of_two(DS_SCALE_LOG2 - P_SCALE_LOG2);
    int largest[4] = {};
#pragma unroll
    for (int i = 0; i < COUNT; i += 2) largest[i / 2 % 4] = larger(largest[i / 2 % 4], e[i], e[i + 1]);
    const int all = max(max(largest[0], largest[1]), max(largest[2], largest[3]));
    if (all_below(all, scale / 32)) {
#pragma unroll
        for (int i = 0; i < COUNT; i += 2) {
            const float low = sigmoid_short(e[i]), high = sigmoid_short(e[i + 1]);
            p[i / 2] = pack(low, high);
            e[i] = fmaf(low * (-slope_scale / scale), low, low * slope_scale);
            e[i + 1] = fmaf(high * (-slope_scale / scale), high, high * slope_scale);
        }
        return;
    }
    constexpr float bound = 0x1p110f;  // of e; where it is infinite sigma is 1 and the slope 0
    const float infinity = __uint_as_float(0x7f800000u);
#pragma unroll
    for (int i = 0; i < COUNT; i += 2) {
        float sigma[2];
#pragma unroll
        for (int j = 0; j < 2; ++j) {
            const float bounded = min_or_nan(e[i + j], bound * scale), r = reciprocal_approx(fmaf(bounded, 1.0f / scale, 1.0f));
            sigma[j] = bounded * r;
            e[i + j] = e[i + j] == infinity ? 0.0f : sigma[j] * r * slope_scale;
        }
        p[i / 2] = pack(sigma[0], sigma[1]);
    }
}
