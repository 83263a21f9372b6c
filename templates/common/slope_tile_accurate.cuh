#pragma once
// The accurate sigmoid's slope alone, for the fragments of a warpgroup's product. It is even in x: with e = exp(-|x|) it is e / (1 + e)^2, where
// nothing overflows and an infinite x gives 0. Where every e of a warp is below 2^-4, a polynomial within 3e-5 takes the reciprocal's place.
#include "../ptx/math.cuh"
#include "dtype.cuh"
#include "params.cuh"
#include "power_of_two.cuh"
#include "vote.cuh"

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
        int largest[4] = {};
#pragma unroll
        for (int i = 0; i < COUNT; i += 2) largest[i / 2 % 4] = larger(largest[i / 2 % 4], e[i], e[i + 1]);
        if (all_below(max(max(largest[0], largest[1]), max(largest[2], largest[3])), 0x1p-4f)) {
            constexpr float scale = power_of_two(DS_SCALE_LOG2), c0 = 0.99997278f * scale, c1 = -1.9921259f * scale, c2 = 2.6556088f * scale;
#pragma unroll
            for (int i = 0; i < COUNT; ++i) e[i] *= fmaf(e[i], fmaf(e[i], c2, c1), c0);
            return;
        }
        constexpr float root = power_of_two(-DS_SCALE_LOG2 / 2);
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            const float r = reciprocal_approx(fmaf(e[i], root, root));
            e[i] = e[i] * r * r;
        }
    }
};
static_assert(DS_SCALE_LOG2 % 2 == 0, "its root is a power of two");
