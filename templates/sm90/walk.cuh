#pragma once
// The order in which a block takes query tiles, and each one's key tiles; or where the blocks of a cluster SPLIT those of one, its own.
#include "../common/mask.cuh"
#include "../common/params.cuh"
#include "../common/plan.cuh"
#include "../ptx/cluster.cuh"

// The key tiles that every row of a query tile sees whole; those behind them the mask cuts.
__device__ __forceinline__ int whole_tiles(int row0, const Problem& problem) { return max(visible_keys_end(row0, problem), 0) / TILE_N; }

// How many rows of a tile are of the same query, of heads that share its keys. Where SPLIT a tile has few queries: it takes as many heads as a
// power of two divides their group by. The others have one each.
__device__ __forceinline__ int packed_heads(const Problem& problem) {
    if constexpr (!SPLIT) return 1;
    const int group = problem.heads_q / problem.heads_kv;
    return min(group & -group, TILE_M);
}

struct Walk {
    int round = 0;                   // query tiles taken so far
    int row0, head, kv_head, batch;  // of the query tile: its first query and head
    int key = 0, keys;               // key tiles: this one, and the one behind the last

    __device__ __forceinline__ explicit Walk(const Problem& problem) { locate(problem); }

    __device__ __forceinline__ bool valid() const { return row0 >= 0 && (!SPLIT || key < keys); }
    // Whether the mask cuts the key tile: some rows do not see some keys.
    __device__ __forceinline__ bool cut(const Problem& problem) const { return key >= whole_tiles(row0, problem); }
    // How many of the key tiles from this one on the mask may cut, the last ones.
    __device__ __forceinline__ int cut_tiles(const Problem& problem) const { return max(keys - max(whole_tiles(row0, problem), key), 0); }

    __device__ __forceinline__ void next_tile(const Problem& problem) {
        ++round;
        key = 0;
        locate(problem);
    }

    // The next key tile, of the next query tile after the last.
    __device__ __forceinline__ void next(const Problem& problem) {
        if (++key == keys) next_tile(problem);
    }

    // Row tiles of one head follow each other, so that blocks that run together share its keys. Under the causal mask their lengths differ: where
    // every block has several, it takes a long one of a head and then a short one of the next head, which make as many keys as any other two;
    // a head that has no next one is its own.
    __device__ __forceinline__ void locate(const Problem& problem) {
        const int packed = packed_heads(problem), queries = TILE_M / packed;
        const int rows = (problem.seq_len_q + queries - 1) / queries, heads = problem.batch * (problem.heads_q / packed), blocks = gridDim.x;
        const bool twos = CAUSAL && !SPLIT && rows * heads > blocks, second = twos && round % 2;
        const int index = SPLIT ? blockIdx.x / cluster_blocks() : (twos ? round / 2 : round) * blocks + static_cast<int>(blockIdx.x);
        int entry = index / rows * (twos ? 2 : 1), row = index % rows;  // head of a batch entry, and its row tile
        row0 = -1;
        if (entry >= heads || SPLIT && round > 0) return;
        if (entry + 1 == heads && twos && 2 * row + second >= rows) return;
        if (twos && entry + 1 < heads) entry += second;
        if (twos && !second) row = rows - 1 - row;
        row0 = row * queries;
        batch = entry / (problem.heads_q / packed);
        head = entry % (problem.heads_q / packed) * packed;
        kv_head = head / (problem.heads_q / problem.heads_kv);
        const int last_row = min(row0 + queries, problem.seq_len_q) - 1;
        keys = max((visible_keys_end(last_row, problem) + TILE_N - 1) / TILE_N, 1);
        if (!SPLIT) return;
        const int share = (keys + cluster_blocks() - 1) / cluster_blocks();
        key = min(cluster_rank() * share, keys);
        keys = min(key + share, keys);
    }
};
