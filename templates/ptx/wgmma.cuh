#pragma once
// Tensor-core products of a warpgroup, which run beside its other instructions (sm_90a). From its start until a wait for it, a product's
// registers must be left alone. Fragments: warp w, lane 4 * g + q holds of a 64 x N accumulator, at register 4 * n + 2 * r + j, row
// 16 * w + g + 8 * r, column 8 * n + 2 * q + j.
#include "register.cuh"

using Descriptor = unsigned long long;  // of a matrix in shared memory

// A matrix of 128-byte rows that are swizzled over 128 bytes, at a multiple of 1024 bytes; `panel` is the distance in bytes of the next 64
// columns, where columns are not the product's k.
__device__ __forceinline__ Descriptor descriptor(unsigned smem, int panel) {
    constexpr unsigned eight_rows = 1024 >> 4;
    return (static_cast<Descriptor>(eight_rows | 1u << 30) << 32) | (smem >> 4) | (panel >> 4) << 16;
}

// The same matrix, so many bytes further.
__device__ __forceinline__ Descriptor further(Descriptor d, int bytes) { return d + (bytes >> 4); }

// The same by additions of 32 bits: the upper half stays as it is.
__device__ __forceinline__ Descriptor onward(Descriptor d, int bytes) { return d >> 32 << 32 | (static_cast<unsigned>(d) + (bytes >> 4)); }

// Before the first of some products: what their registers hold is what was last written.
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Waits until at most `PENDING` groups are in flight.
template <int PENDING>
__device__ __forceinline__ void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory"); }

// No use of the registers moves across.
template <int COUNT>
__device__ __forceinline__ void pin(Register (&r)[COUNT]) {
#pragma unroll
    for (int i = 0; i < COUNT; ++i) asm volatile("" : "+r"(r[i])::"memory");
}

// What the registers hold is not needed any more, as before a product that begins anew: until then others may take them.
template <int COUNT>
__device__ __forceinline__ void forget(float (&r)[COUNT]) {
#pragma unroll
    for (int i = 0; i < COUNT; ++i) asm volatile("" : "=f"(r[i])::"memory");
}

// Four 8 x 8 matrices from registers; lane l points at row l % 8 of matrix l / 8.
__device__ __forceinline__ void store_matrix_x4(unsigned smem, Register a, Register b, Register c, Register d) {
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(smem), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}

// Moves registers from one warpgroup of a block to another; every warp of the warpgroup calls it.
template <int COUNT>
__device__ __forceinline__ void registers_grow() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(COUNT)); }
template <int COUNT>
__device__ __forceinline__ void registers_shrink() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(COUNT)); }
