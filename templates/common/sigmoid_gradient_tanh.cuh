#pragma once
// The tanh form of the sigmoid for the backward pass.
#include "params.cuh"
#include "slope.cuh"
#include "sigmoid_tanh.cuh"

struct SigmoidGradient {
    float scale, bias;  // of the argument of tanh

    __device__ __forceinline__ SigmoidGradient(const Problem& problem)
        : scale(sigmoid_scale(problem.scale_log2)), bias(sigmoid_bias(problem.bias_log2)) {}

    // sigma * 2^P_SCALE_LOG2 of the raw product s: x = problem.scale * s + bias.
    __device__ __forceinline__ float operator()(float s) const { return sigmoid_short(sigmoid_begin(s, scale, bias)); }
};
