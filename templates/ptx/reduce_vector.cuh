#pragma once
// Additions to global memory, four at a time (sm_90 and later).

__device__ __forceinline__ void add_global(float* address, const float (&v)[4]) {
    asm volatile("red.relaxed.gpu.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(address), "f"(v[0]), "f"(v[1]), "f"(v[2]), "f"(v[3]) : "memory");
}
