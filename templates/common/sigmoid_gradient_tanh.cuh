#pragma once
// The tanh form of the sigmoid for the backward pass.
#include "dtype.cuh"
#include "params.cuh"
#include "power_of_two.cuh"
#include "sigmoid_tanh.cuh"

struct SigmoidGradient {
    float scale, bias;  // of the argument of tanh

    __device__ __forceinline__ SigmoidGradient(const Problem& problem)
        : scale(sigmoid_scale(problem.scale_log2)), bias(sigmoid_bias(problem.bias_log2)) {}

    // sigma * 2^P_SCALE_LOG2 of the raw product s, x = problem.scale * s + bias. The slope sigma (1 - sigma) * 2^DS_SCALE_LOG2 takes the
    // place of s, to the absolute accuracy that sigma has too.
    __device__ __forceinline__ float operator()(float& s) const {
        const float p = sigmoid_short(sigmoid_begin(s, scale, bias));
        s = p * fmaf(p, -power_of_two(DS_SCALE_LOG2 - 2 * P_SCALE_LOG2), power_of_two(DS_SCALE_LOG2 - P_SCALE_LOG2));
        return p;
    }
};
