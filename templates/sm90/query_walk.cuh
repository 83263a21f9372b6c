#pragma once
// What a block of the backward pass does: one tile of keys of one key-value head, against the query tiles of each head of its group in turn.
#include "../common/mask.cuh"
#include "../common/params.cuh"
#include "../common/plan.cuh"
#include "../ptx/uniform.cuh"
#include "blocks.cuh"

struct KeyTile {
    int batch, kv_head, key0, end_head;  // end_head: of the group's query heads

    // Keys vary fastest so that neighbours share queries in L2, the longest causal columns first.
    static __device__ __forceinline__ KeyTile of_block(const Problem& problem) {
        const int key_tiles = (problem.seq_len_k + TILE_N - 1) / TILE_N, block = blockIdx.x, kv_head = block / key_tiles % problem.heads_kv;
        return {uniform(block / key_tiles / problem.heads_kv), uniform(kv_head), uniform(block % key_tiles * TILE_N),
                uniform((kv_head + 1) * (problem.heads_q / problem.heads_kv))};
    }

    // The order where a block waits for those of the head's later keys, which have lower indices. Under the causal mask they begin at a later
    // query tile and so are ahead. Heads take turns, as many as fill an H100: blocks of one that start at once would wait for each other.
    static __device__ __forceinline__ KeyTile in_order(const Problem& problem) {
        constexpr int TOGETHER = 132;
        const int key_tiles = (problem.seq_len_k + TILE_N - 1) / TILE_N, heads = (TOGETHER + key_tiles - 1) / key_tiles, block = blockIdx.x;
        const int first = block / (heads * key_tiles) * heads, members = min(heads, problem.batch * problem.heads_kv - first);
        const int rest = block % (heads * key_tiles), head = first + rest % members, kv_head = head % problem.heads_kv;
        return {uniform(head / problem.heads_kv), uniform(kv_head), uniform((key_tiles - 1 - rest / members) * TILE_N),
                uniform((kv_head + 1) * (problem.heads_q / problem.heads_kv))};
    }

    __device__ __forceinline__ int first_head(const Problem& problem) const { return end_head - problem.heads_q / problem.heads_kv; }
    // The query tiles [first, last) see a key.
    __device__ __forceinline__ int first(const Problem& problem) const { return visible_queries_begin(key0, problem) / TILE_M; }
    static __device__ __forceinline__ int last(const Problem& problem) { return (problem.seq_len_q + TILE_M - 1) / TILE_M; }
    // How many key tiles behind this one a query tile sees.
    __device__ __forceinline__ int later(int tile, const Problem& problem) const {
        return (min(problem.seq_len_k, visible_keys_end(tile * TILE_M + TILE_M - 1, problem)) - 1 - key0) / TILE_N;
    }

    // Whether some query of a tile does not see some key, or one of them lies beyond its end.
    __device__ __forceinline__ bool masked(int tile, const Problem& problem) const {
        return tile * TILE_M < visible_queries_begin(key0 + TILE_N - 1, problem) || (tile + 1) * TILE_M > problem.seq_len_q ||
               key0 + TILE_N > problem.seq_len_k;
    }
};

// Query tile after query tile, each in its place of a ring.
template <int SLOTS>
struct RingWalk {
    int head, tile;
    Turn<SLOTS> turn;

    __device__ __forceinline__ RingWalk(const KeyTile& keys, const Problem& problem) : tile(keys.first(problem)) {
        head = tile < keys.last(problem) ? keys.first_head(problem) : keys.end_head;
    }
    __device__ __forceinline__ bool valid(const KeyTile& keys) const { return head < keys.end_head; }
    __device__ __forceinline__ int slot() const { return turn.slot(); }
    __device__ __forceinline__ unsigned parity() const { return turn.parity(); }

    __device__ __forceinline__ RingWalk next(const KeyTile& keys, const Problem& problem) const {
        RingWalk next = *this;
        next.turn.next();
        if (++next.tile < keys.last(problem)) return next;
        next.tile = keys.first(problem);
        ++next.head;
        return next;
    }
};
using QueryWalk = RingWalk<STAGES>;
