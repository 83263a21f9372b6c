#pragma once
// Additions to global memory that return nothing.

__device__ __forceinline__ void add_global(float* address, float value) {
    asm volatile("red.relaxed.gpu.global.add.f32 [%0], %1;" ::"l"(address), "f"(value) : "memory");
}
