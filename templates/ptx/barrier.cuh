#pragma once
// Named barriers among some warps of a block (0 is __syncthreads), for one side that produces and one that waits.

// Joins barrier `id` of `threads` threads without waiting; what the thread wrote before is visible to those that wait.
__device__ __forceinline__ void barrier_arrive(int id, int threads) { asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory"); }

// Joins it and waits for the others.
__device__ __forceinline__ void barrier_sync(int id, int threads) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory"); }

// Waits for the whole block, and tells whether any thread's flag was set.
__device__ __forceinline__ bool block_or(bool flag) {
    int any;
    asm volatile(
        "{\n"
        ".reg .pred p, q;\n"
        "setp.ne.b32 p, %1, 0;\n"
        "bar.red.or.pred q, 0, p;\n"
        "selp.b32 %0, 1, 0, q;\n"
        "}\n" : "=r"(any) : "r"(static_cast<int>(flag)) : "memory");
    return any;
}
