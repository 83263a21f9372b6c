#pragma once
// The storage type: IEEE half precision.
#include "../ptx/register.cuh"

// P and dS enter their products times a power of two, taken out again in the epilogue. At b = -ln n and n = 64k, sigma is about 2^-16, where half
// precision is subnormal; times 2^14 it has all its bits. dS has no such bound as P <= 1: times 2^4 it may reach 4095, and has all its bits
// from 2^-18 up.
constexpr int P_SCALE_LOG2 = 14;
constexpr int DS_SCALE_LOG2 = 4;

// The packed value of 2^-5 (times P's scale) in one half: above it the accurate sigmoid's short form is not used.
constexpr unsigned SHORT_FORM_LIMIT = 0x6000u;
// Below it, in e = exp(x), e - CUBIC_B e^2 + CUBIC_C e^3 is within a relative 1e-4 of sigma.
constexpr float CUBIC_LIMIT = 0.143f, CUBIC_B = 0.9925f, CUBIC_C = 0.826f;
// Below it, so close to the slope: e - SLOPE_B e^2 + SLOPE_C e^3.
constexpr float SLOPE_LIMIT = 0.0894f, SLOPE_B = 1.988f, SLOPE_C = 2.555f;
// The bits that are all set in an infinity or a NaN.
constexpr unsigned EXPONENT_BITS = 0x7c00u;

// Rounds two floats to nearest even; `low` takes the lower half.
__device__ __forceinline__ Register pack(float low, float high) {
    Register r;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
}

// The value of one element's bits.
__device__ __forceinline__ float unpack(unsigned bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(static_cast<unsigned short>(bits)));
    return value;
}

// The larger of each half; NaN where either is NaN.
__device__ __forceinline__ Register max_halves(Register a, Register b) {
    Register r;
    asm("max.NaN.f16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
    return r;
}
