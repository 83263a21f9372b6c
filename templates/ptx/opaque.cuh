#pragma once
// Hides where a value comes from: what a loop computes from it is computed there again, instead of being kept in registers all along.

__device__ __forceinline__ unsigned opaque(unsigned value) {
    asm volatile("" : "+r"(value));
    return value;
}

// Who a thread is, read anew where it is used: in some loops no register is free to keep it.
__device__ __forceinline__ unsigned thread_index() {
    unsigned index;
    asm volatile("mov.u32 %0, %%tid.x;" : "=r"(index));
    return index;
}
