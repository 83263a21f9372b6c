#pragma once
// The tanh form of the sigmoid and its slope for the fragments of a warpgroup's product.
#include "power_of_two.cuh"
#include "sigmoid_tanh.cuh"

// From what sigmoid_begin gave: P, packed, and in its place the slope times 2^DS_SCALE_LOG2, to the absolute accuracy that sigma has too.
template <int COUNT>
__device__ __forceinline__ void sigmoid_slopes(float (&t)[COUNT], Register (&p)[COUNT / 2]) {
    constexpr float factor = power_of_two(DS_SCALE_LOG2 - P_SCALE_LOG2), square = power_of_two(DS_SCALE_LOG2 - 2 * P_SCALE_LOG2);
#pragma unroll
    for (int i = 0; i < COUNT; i += 2) {
        const float low = sigmoid_short(t[i]), high = sigmoid_short(t[i + 1]);
        p[i / 2] = pack(low, high);
        t[i] = low * fmaf(low, -square, factor);
        t[i + 1] = high * fmaf(high, -square, factor);
    }
}
