#pragma once
// The accurate sigmoid for the fragments of a warpgroup's product, whose time it must fit into. With e = exp(x) the first form takes one
// instruction behind the exponential where P is not scaled, else three. Where some e of a warp's tile is too large for it, the warp goes through
// the tile again, from the e that it kept, by the first of two forms that reaches far enough: the cubic or the long one.
#include "../ptx/math.cuh"
#include "dtype.cuh"
#include "params.cuh"
#include "plan.cuh"
#include "power_of_two.cuh"
#include "sigmoid_accurate.cuh"
#include "vote.cuh"

struct SigmoidTile {
    // The quadratic form: of e' = a e, e' - e'^2 is a times sigma's e - a e^2. Its relative error, (1 - a) e - a e^2, turns back from 4.7e-4 to
    // stay within 5e-4 of either sign for 2.4 times as far as that of e - e^2, and the factor a leaves with O.
    static constexpr bool QUADRATIC = P_SCALE_LOG2 == 0;
    static constexpr float QUADRATIC_LIMIT = 0.0537f, QUADRATIC_FACTOR_LOG2 = -1.0f / 16, QUADRATIC_FACTOR = 0.95760328f;

    // What P and e come times.
    static constexpr float FACTOR = QUADRATIC ? QUADRATIC_FACTOR : power_of_two(P_SCALE_LOG2);
    static constexpr float FIRST_LIMIT = (QUADRATIC ? QUADRATIC_LIMIT : CUBIC_LIMIT) * FACTOR;
    static constexpr float FACTOR_LOG2 = QUADRATIC ? QUADRATIC_FACTOR_LOG2 : P_SCALE_LOG2;

    float scale, bias;  // of the exponent

    __device__ __forceinline__ explicit SigmoidTile(const Problem& problem) : scale(problem.scale_log2), bias(problem.bias_log2 + FACTOR_LOG2) {}

    // P = sigma(scale * S + bias), times FACTOR. What S was is lost.
    template <int COUNT>
    __device__ __forceinline__ void operator()(float (&s)[COUNT], Register (&p)[COUNT / 2]) const {
        constexpr int PARTS = QUADRATIC ? 2 : 1, PART = COUNT / PARTS;  // a half where the first form holds needs no other
        int largest_of[PARTS] = {};
#pragma unroll
        for (int i = 0; i < COUNT; i += 2) {
            s[i] = exp2_approx(fmaf(s[i], scale, bias));
            s[i + 1] = exp2_approx(fmaf(s[i + 1], scale, bias));
            p[i / 2] = pack(first_form(s[i]), first_form(s[i + 1]));
            largest_of[i / PART] = larger(largest_of[i / PART], s[i], s[i + 1]);
        }
        int largest = 0;
#pragma unroll
        for (int part = 0; part < PARTS; ++part) largest = max(largest, largest_of[part]);
        if (all_below(largest, FIRST_LIMIT)) return;
        if (QUADRATIC && all_below(largest, CUBIC_LIMIT * FACTOR)) {
            rebuild_near(s, p, largest_of);
        } else if (all_below(largest, SIGMOID_BOUND * FACTOR)) {
            rebuild<true>(s, p);
        } else {
            rebuild<false>(s, p);
        }
    }

    // P by the cubic form, from e, in those parts of the columns where the first does not hold.
    template <int COUNT, int PARTS>
    static __device__ __forceinline__ void rebuild_near(const float (&e)[COUNT], Register (&p)[COUNT / 2], const int (&largest_of)[PARTS]) {
        constexpr int PART = COUNT / PARTS;
#pragma unroll
        for (int part = 0; part < PARTS; ++part) {
            if (all_below(largest_of[part], FIRST_LIMIT)) continue;
#pragma unroll
            for (int i = part * PART; i < part * PART + PART; i += 2) p[i / 2] = pack(cubic(e[i]), cubic(e[i + 1]));
        }
    }

    // P by the long form, from e.
    template <bool BOUNDED, int COUNT>
    static __device__ __forceinline__ void rebuild(const float (&e)[COUNT], Register (&p)[COUNT / 2]) {
#pragma unroll
        for (int i = 0; i < COUNT; i += 4) {
            float four[4] = {e[i], e[i + 1], e[i + 2], e[i + 3]};
            sigmoid_long<BOUNDED>(four, FACTOR);
            p[i / 2] = pack(four[0], four[1]);
            p[i / 2 + 1] = pack(four[2], four[3]);
        }
    }

    static __device__ __forceinline__ float first_form(float e) { return QUADRATIC ? fmaf(-e, e, e) : cubic(e); }
    static __device__ __forceinline__ float cubic(float e) {
        constexpr float unscale = 1.0f / FACTOR;
        return fmaf(e * e, fmaf(e, CUBIC_C * unscale * unscale, -CUBIC_B * unscale), e);
    }
};
