#pragma once
// Hides where a value comes from: what a loop computes from it is computed there again, instead of being kept in registers all along.

__device__ __forceinline__ unsigned opaque(unsigned value) {
    asm volatile("" : "+r"(value));
    return value;
}
