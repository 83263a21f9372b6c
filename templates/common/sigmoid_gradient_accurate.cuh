#pragma once
// The accurate sigmoid for the backward pass: with E = exp(-x), sigma = 1 / (1 + E), right at either infinity. There is time for the
// reciprocal here: this pass has two and a half times the forward's products for the same number of exponentials.
#include "../ptx/math.cuh"
#include "params.cuh"
#include "slope.cuh"

struct SigmoidGradient {
    float scale, bias;  // of the exponent

    // E carries 1 / P's power of two.
    __device__ __forceinline__ SigmoidGradient(const Problem& problem) : scale(-problem.scale_log2), bias(-P_SCALE_LOG2 - problem.bias_log2) {}

    // sigma * 2^P_SCALE_LOG2 of the raw product s: x = problem.scale * s + bias.
    __device__ __forceinline__ float operator()(float s) const {
        return reciprocal_approx(exp2_approx(fmaf(s, scale, bias)) + power_of_two(-P_SCALE_LOG2));
    }
};
