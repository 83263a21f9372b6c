#pragma once
// Counters in the workspace, behind the sums of dQ. They begin at 0.
#include "../common/dq_accumulator.cuh"
#include "../common/params.cuh"

// How many tasks the launch's blocks have taken. It has 16 bytes for itself.
__device__ __forceinline__ unsigned* tasks_taken(const BackwardParams& params) {
    return reinterpret_cast<unsigned*>(dq_tile(params.dq_accum, params.problem, params.problem.batch, 0, 0));
}

// Per (batch, query head, query tile), how many key tiles are in the sums: whose turn it is to add.
__device__ __forceinline__ unsigned* dq_turns(const BackwardParams& params) { return tasks_taken(params) + 4; }
