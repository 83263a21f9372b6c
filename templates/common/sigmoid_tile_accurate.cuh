#pragma once
// The accurate sigmoid for the fragments of a warpgroup's product, whose time it must fit into. With e = exp(x) the first form, e - e^2, takes
// one instruction behind the exponential. Where some e of a warp's tile is too large for it, the warp goes through the tile again by groups of
// columns, from the e that it kept.
#include "../ptx/math.cuh"
#include "dtype.cuh"
#include "params.cuh"
#include "power_of_two.cuh"
#include "sigmoid_accurate.cuh"
#include "vote.cuh"

struct SigmoidTile {
    float scale, bias;  // of the exponent; e carries P's power of two

    __device__ __forceinline__ explicit SigmoidTile(const Problem& problem) : scale(problem.scale_log2), bias(problem.bias_log2 + P_SCALE_LOG2) {}

    // P = sigma(scale * S + bias), times 2^P_SCALE_LOG2. What S was is lost.
    template <int COUNT>
    __device__ __forceinline__ void operator()(float (&s)[COUNT], Register (&p)[COUNT / 2]) const {
        constexpr float limit = FIRST_FORM_LIMIT * power_of_two(P_SCALE_LOG2);
        int largest = 0;
#pragma unroll
        for (int i = 0; i < COUNT; i += 2) {
            s[i] = exp2_approx(fmaf(s[i], scale, bias));
            s[i + 1] = exp2_approx(fmaf(s[i + 1], scale, bias));
            p[i / 2] = pack(first_form(s[i]), first_form(s[i + 1]));
            largest = larger(largest, s[i], s[i + 1]);
        }
        if (all_below(largest, limit)) return;
        constexpr int GROUP = 8;  // of a thread's values: 16 columns
#pragma unroll
        for (int first = 0; first < COUNT; first += GROUP) {
            largest = 0;
#pragma unroll
            for (int i = first; i < first + GROUP; i += 2) largest = larger(largest, s[i], s[i + 1]);
            if (all_below(largest, limit)) continue;
#pragma unroll
            for (int i = first; i < first + GROUP; i += 4) {
                float four[4] = {s[i], s[i + 1], s[i + 2], s[i + 3]};
                sigmoid_long(four);
                p[i / 2] = pack(four[0], four[1]);
                p[i / 2 + 1] = pack(four[2], four[3]);
            }
        }
    }

    // Relative error e^2.
    static __device__ __forceinline__ float first_form(float e) {
        return P_SCALE_LOG2 == 0 ? fmaf(-e, e, e) : fmaf(-e * power_of_two(-P_SCALE_LOG2), e, e);
    }
};
