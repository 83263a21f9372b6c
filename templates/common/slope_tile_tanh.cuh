#pragma once
// The slope alone of the sigmoid's tanh form, for the fragments of a warpgroup's product: (1 - tanh(x / 2)^2) / 4.
#include "params.cuh"
#include "power_of_two.cuh"
#include "sigmoid_tanh.cuh"

struct SlopeTile {
    static constexpr float FACTOR = power_of_two(DS_SCALE_LOG2);  // what the slope comes times

    float scale, bias;  // of the argument of tanh

    __device__ __forceinline__ explicit SlopeTile(const Problem& problem)
        : scale(sigmoid_scale(problem.scale_log2)), bias(sigmoid_bias(problem.bias_log2)) {}

    // tanh(x / 2) in place of S.
    template <int COUNT>
    __device__ __forceinline__ void begin(float (&s)[COUNT]) const {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) s[i] = sigmoid_begin(s[i], scale, bias);
    }

    // The slope times FACTOR in its place, to the absolute accuracy that sigma has too.
    template <int COUNT>
    __device__ __forceinline__ void finish(float (&t)[COUNT]) const {
        constexpr float quarter = FACTOR / 4;
#pragma unroll
        for (int i = 0; i < COUNT; ++i) t[i] = fmaf(t[i] * -quarter, t[i], quarter);
    }
};
