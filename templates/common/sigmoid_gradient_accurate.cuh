#pragma once
// The accurate sigmoid for the backward pass: with E = exp(-x), sigma = 1 / (1 + E) and 1 - sigma = E sigma, each to full relative accuracy.
// There is time for the reciprocal here: this pass has two and a half times the forward's products for the same number of exponentials.
#include "../ptx/math.cuh"
#include "dtype.cuh"
#include "params.cuh"
#include "power_of_two.cuh"

struct SigmoidGradient {
    float scale, bias;  // of the exponent

    // E carries 1 / P's power of two.
    __device__ __forceinline__ SigmoidGradient(const Problem& problem) : scale(-problem.scale_log2), bias(-P_SCALE_LOG2 - problem.bias_log2) {}

    // sigma * 2^P_SCALE_LOG2 of the raw product s, x = problem.scale * s + bias. The slope sigma (1 - sigma) * 2^DS_SCALE_LOG2 takes the
    // place of s. Where sigma is 0 because E is infinite, their product saturates to 0; a NaN stays one through sigma.
    __device__ __forceinline__ float operator()(float& s) const {
        const float e = exp2_approx(fmaf(s, scale, bias)), p = reciprocal_approx(e + power_of_two(-P_SCALE_LOG2));
        s = multiply_saturating(e, p) * p * power_of_two(DS_SCALE_LOG2 - P_SCALE_LOG2);
        return p;
    }
};
