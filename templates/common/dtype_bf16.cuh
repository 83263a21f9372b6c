#pragma once
// The storage type: bfloat16.
#include "../ptx/register.cuh"

// P and dS enter their products times a power of two, taken out again in the epilogue: none is needed, bf16 has float32's range.
constexpr int P_SCALE_LOG2 = 0;
constexpr int DS_SCALE_LOG2 = 0;

// The packed value of 2^-5 (times P's scale) in one half: above it the accurate sigmoid's short form is not used.
constexpr unsigned SHORT_FORM_LIMIT = 0x3d00u;
// Below it, in e = exp(x), e - CUBIC_B e^2 + CUBIC_C e^3 is within a relative 5e-4 of sigma.
constexpr float CUBIC_LIMIT = 0.256f, CUBIC_B = 0.9795f, CUBIC_C = 0.722f;
// Below it, so close to the slope: e - SLOPE_B e^2 + SLOPE_C e^3.
constexpr float SLOPE_LIMIT = 0.153f, SLOPE_B = 1.969f, SLOPE_C = 2.3f;
// The bits that are all set in an infinity or a NaN.
constexpr unsigned EXPONENT_BITS = 0x7f80u;

// Rounds two floats to nearest even; `low` takes the lower half.
__device__ __forceinline__ Register pack(float low, float high) {
    Register r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
}

// The value of one element's bits.
__device__ __forceinline__ float unpack(unsigned bits) {
    return __uint_as_float(bits << 16);
}

// The larger of each half; NaN where either is NaN.
__device__ __forceinline__ Register max_halves(Register a, Register b) {
    Register r;
    asm("max.NaN.bf16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
