#pragma once
// What a block of the dQ kernel does: one tile of query rows of one head, against the key tiles that its rows see.
#include "../common/mask.cuh"
#include "../common/params.cuh"
#include "../common/plan.cuh"
#include "../ptx/uniform.cuh"
#include "longest_first.cuh"

struct RowTile {
    int batch, head, kv_head, row0;

    static __device__ __forceinline__ RowTile of_block(const Problem& problem) {
        const int row_tiles = (problem.seq_len_q + TILE_M - 1) / TILE_M;
        const HeadTile at = longest_first(blockIdx.x, row_tiles, problem.batch * problem.heads_q);
        const int head = at.head % problem.heads_q;
        return {uniform(at.head / problem.heads_q), uniform(head), uniform(head / (problem.heads_q / problem.heads_kv)),
                uniform((row_tiles - 1 - at.tile) * TILE_M)};
    }

    // The key tiles that some of the rows before `end` see; one that none sees where there are no others.
    __device__ __forceinline__ int keys(int end, const Problem& problem) const {
        return max((visible_keys_end(min(end, problem.seq_len_q) - 1, problem) + TILE_N - 1) / TILE_N, 1);
    }
    __device__ __forceinline__ int keys(const Problem& problem) const { return keys(row0 + TILE_M, problem); }
    // The key tiles from here on the mask cuts, or an end of theirs.
    __device__ __forceinline__ int cut(const Problem& problem) const { return max(visible_keys_end(row0, problem), 0) / TILE_N; }
};
