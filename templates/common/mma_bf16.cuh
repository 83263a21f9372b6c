#pragma once
// Products of one warp: bfloat16.
#include "../ptx/mma_sync.cuh"

// d += a * b, 16 x 8 x 16.
__device__ __forceinline__ void mma(float (&d)[4], const Register (&a)[4], Register b0, Register b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
