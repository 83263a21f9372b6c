#pragma once
// The tanh form of the sigmoid for the fragments of a warpgroup's product.
#include "params.cuh"
#include "sigmoid_tanh.cuh"

struct SigmoidTile {
    static constexpr float FACTOR = 1 << P_SCALE_LOG2;  // what P comes times

    float scale, bias;  // of the argument of tanh

    __device__ __forceinline__ explicit SigmoidTile(const Problem& problem)
        : scale(sigmoid_scale(problem.scale_log2)), bias(sigmoid_bias(problem.bias_log2)) {}

    // P = sigma(scale * S + bias), times FACTOR.
    template <int COUNT>
    __device__ __forceinline__ void operator()(float (&s)[COUNT], Register (&p)[COUNT / 2]) const {
#pragma unroll
        for (int i = 0; i < COUNT / 2; ++i)
            p[i] = pack(sigmoid_short(sigmoid_begin(s[2 * i], scale, bias)), sigmoid_short(sigmoid_begin(s[2 * i + 1], scale, bias)));
    }
};
