#pragma once
// Whose turn it is to add to a tile of dQ: a counter per (batch, query head, query tile), behind the workspace's sums, of the key tiles in them.
#include "../common/params.cuh"
#include "../common/plan.cuh"

__device__ __forceinline__ unsigned* dq_turns(const BackwardParams& params) {
    const Problem& p = params.problem;
    const long long tiles = static_cast<long long>(p.batch) * p.heads_q * ((p.seq_len_q + TILE_M - 1) / TILE_M);
    return reinterpret_cast<unsigned*>(params.dq_accum + tiles * (TILE_M * HEAD_DIM));
}
