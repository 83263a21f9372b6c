#pragma once
// The accurate sigmoid's slope alone, for the fragments of a warpgroup's product. It is even in x: with e = exp(-|x|) it is e / (1 + e)^2, where
// nothing overflows and an infinite x gives 0.
#include "../ptx/math.cuh"
#include "dtype.cuh"
#include "params.cuh"
#include "power_of_two.cuh"

struct SlopeTile {
    float scale, bias;  // of the exponent

    __device__ __forceinline__ explicit SlopeTile(const Problem& problem) : scale(problem.scale_log2), bias(problem.bias_log2) {}

    // e in place of S.
    template <int COUNT>
    __device__ __forceinline__ void begin(float (&s)[COUNT]) const {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) s[i] = exp2_approx(-fabsf(fmaf(s[i], scale, bias)));
    }

    // The slope times 2^DS_SCALE_LOG2 in place of e.
    template <int COUNT>
    __device__ __forceinline__ void finish(float (&e)[COUNT]) const {
        constexpr float unscale = power_of_two(-DS_SCALE_LOG2 / 2);
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            const float r = reciprocal_approx(fmaf(e[i], unscale, unscale));
            e[i] = e[i] * r * r;
        }
    }
};
static_assert(DS_SCALE_LOG2 % 2 == 0);
