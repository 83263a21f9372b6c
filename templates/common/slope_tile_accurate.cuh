#pragma once
// The accurate sigmoid's slope alone, e / (1 + e)^2 of e = exp(x), for the fragments of a warpgroup's product. Where every e of a warp is small, a
// polynomial takes the reciprocal's place: where dS is not scaled first one that takes one instruction, then one that reaches further.
#include "../ptx/math.cuh"
#include "dtype.cuh"
#include "params.cuh"
#include "power_of_two.cuh"
#include "vote.cuh"

struct SlopeTile {
    // The quadratic form: of e' = 2 a e, e' - e'^2 is 2 a times e - 2 a e^2, within a relative 5e-4 of the slope. The factor leaves with dQ.
    static constexpr bool QUADRATIC = DS_SCALE_LOG2 == 0;
    static constexpr float QUADRATIC_LIMIT = 0.0309f, QUADRATIC_FACTOR_LOG2 = 121.0f / 128, QUADRATIC_FACTOR = 1.9256059f;

    // What e comes times, and the slope.
    static constexpr float E_FACTOR = QUADRATIC ? QUADRATIC_FACTOR : 1.0f, E_FACTOR_LOG2 = QUADRATIC ? QUADRATIC_FACTOR_LOG2 : 0.0f;
    static constexpr float FACTOR = QUADRATIC ? QUADRATIC_FACTOR : power_of_two(DS_SCALE_LOG2);

    float scale, bias;  // of the exponent

    __device__ __forceinline__ explicit SlopeTile(const Problem& problem) : scale(problem.scale_log2), bias(problem.bias_log2 + E_FACTOR_LOG2) {}

    // e times E_FACTOR in place of S.
    template <int COUNT>
    __device__ __forceinline__ void begin(float (&s)[COUNT]) const {
#pragma unroll
        for (int i = 0; i < COUNT; ++i) s[i] = exp2_approx(fmaf(s[i], scale, bias));
    }

    // The slope times FACTOR in place of e.
    template <int COUNT>
    __device__ __forceinline__ void finish(float (&e)[COUNT]) const {
        int part[4] = {};
#pragma unroll
        for (int i = 0; i < COUNT; i += 2) part[i / 2 % 4] = larger(part[i / 2 % 4], e[i], e[i + 1]);
        const int largest = max(max(part[0], part[1]), max(part[2], part[3]));
        if (QUADRATIC && all_below(largest, QUADRATIC_LIMIT * E_FACTOR)) {
#pragma unroll
            for (int i = 0; i < COUNT; ++i) e[i] = fmaf(-e[i], e[i], e[i]);
            return;
        }
        if (all_below(largest, SLOPE_LIMIT * E_FACTOR)) {
            constexpr float unscale = 1.0f / E_FACTOR, c0 = FACTOR * unscale, c1 = -SLOPE_B * c0 * unscale, c2 = SLOPE_C * c0 * unscale * unscale;
#pragma unroll
            for (int i = 0; i < COUNT; ++i) e[i] *= fmaf(e[i], fmaf(e[i], c2, c1), c0);
            return;
        }
        constexpr float bound = 0x1p110f * E_FACTOR;  // of e; where it is infinite the slope is 0
        const float infinity = __uint_as_float(0x7f800000u);
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            const float bounded = min_or_nan(e[i], bound), r = reciprocal_approx(fmaf(bounded, 1.0f / E_FACTOR, 1.0f));
            e[i] = e[i] == infinity ? 0.0f : bounded * r * r * (FACTOR / E_FACTOR);
        }
    }
};
