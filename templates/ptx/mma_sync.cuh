#pragma once
// Loads of the fragments that tensor-core products take, one PTX instruction each (sm_80 and later).
// Fragments follow the PTX ISA: lane = 4 * g + q holds, of a 16 x 8 accumulator, rows g and g + 8, columns 2q and 2q + 1.
#include "register.cuh"

// Four 8 x 8 matrices; lane l points at row l % 8 of matrix l / 8.
__device__ __forceinline__ void load_matrix_x4(Register (&r)[4], unsigned smem) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(smem) : "memory");
}

// The same, each matrix transposed on the way.
__device__ __forceinline__ void load_matrix_x4_transposed(Register (&r)[4], unsigned smem) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(smem) : "memory");
}
