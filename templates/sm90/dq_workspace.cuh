#pragma once
// Counters in the workspace, behind the sums of dQ. They begin at 0.
#include "../common/params.cuh"
#include "../common/plan.cuh"

// How many tasks the launch's blocks have taken. It has 16 bytes for itself.
__device__ __forceinline__ unsigned* tasks_taken(const BackwardParams& params) {
    const Problem& p = params.problem;
    const long long tiles = static_cast<long long>(p.batch) * p.heads_q * ((p.seq_len_q + TILE_M - 1) / TILE_M);
    return reinterpret_cast<unsigned*>(params.dq_accum + tiles * (TILE_M * HEAD_DIM));
}

// Per (batch, query head, query tile), how many key tiles are in the sums: whose turn it is to add.
__device__ __forceinline__ unsigned* dq_turns(const BackwardParams& params) { return tasks_taken(params) + 4; }
