#pragma once
// Asynchronous copies from global to shared memory (sm_80 and later).
#include "shared_memory.cuh"

// 16 bytes past L1; the bytes beyond `valid` (0 or 16) are zero-filled and not read.
__device__ __forceinline__ void cp_async_16(unsigned smem, const void* global, int valid) {
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(smem), "l"(global), "r"(valid) : "memory");
}

__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most `PENDING` of this thread's groups are in flight.
template <int PENDING>
__device__ __forceinline__ void cp_async_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory"); }
