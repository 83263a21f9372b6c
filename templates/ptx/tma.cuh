#pragma once
// Asynchronous copies of boxes of a tensor [batch, head, sequence, column] between global and shared memory (sm_90 and later). One thread
// starts a copy; coordinates are in elements. What lies outside the tensor reads as zero and is not written.
#include "../common/params.cuh"

// The box at (column, row, head, batch); the barrier's phase waits for its bytes, zeros included.
__device__ __forceinline__ void tma_load(unsigned smem, const TensorMap& map, unsigned barrier, int column, int row, int head, int batch) {
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(smem),
                 "l"(&map), "r"(barrier), "r"(column), "r"(row), "r"(head), "r"(batch) : "memory");
}

__device__ __forceinline__ void tma_store(const TensorMap& map, unsigned smem, int column, int row, int head, int batch) {
    asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.tile.bulk_group [%0, {%2, %3, %4, %5}], [%1];" ::"l"(&map), "r"(smem), "r"(column),
                 "r"(row), "r"(head), "r"(batch) : "memory");
}

// Sends so many bytes in shared memory to global memory, in a group as stores of boxes are.
__device__ __forceinline__ void tma_store(float* to, unsigned smem, int bytes) {
    asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(to), "r"(smem), "r"(bytes) : "memory");
}

// Adds so many bytes of float32 in shared memory to global memory, in a group as stores are.
__device__ __forceinline__ void tma_add(float* to, unsigned smem, int bytes) {
    asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], %2;" ::"l"(to), "r"(smem), "r"(bytes) : "memory");
}

// This thread's stores so far form a group.
__device__ __forceinline__ void tma_store_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }

// Waits until all of this thread's groups have read shared memory.
__device__ __forceinline__ void tma_store_wait_read() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }

// Waits until all of this thread's groups are written.
__device__ __forceinline__ void tma_store_wait() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }

// Orders this thread's own accesses to shared memory before asynchronous ones that follow a barrier.
__device__ __forceinline__ void fence_async_shared() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Orders what this thread knows of global memory before asynchronous accesses to it.
__device__ __forceinline__ void fence_async_global() { asm volatile("fence.proxy.async.global;" ::: "memory"); }

__device__ __forceinline__ void tma_prefetch(const TensorMap& map) { asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory"); }
