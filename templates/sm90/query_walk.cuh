#pragma once
// A task of the backward pass: one tile of keys of one key-value head, against the query tiles of each head of its group in turn.
#include "../common/mask.cuh"
#include "../common/params.cuh"
#include "../common/plan.cuh"
#include "../ptx/uniform.cuh"
#include "blocks.cuh"
#include "longest_first.cuh"

struct KeyTile {
    int batch, kv_head, key0, end_head;  // end_head: of the group's query heads

    static __device__ __forceinline__ int tiles(const Problem& problem) { return (problem.seq_len_k + TILE_N - 1) / TILE_N; }
    static __device__ __forceinline__ int count(const Problem& problem) { return tiles(problem) * problem.heads_kv * problem.batch; }

    static __device__ __forceinline__ KeyTile at(int index, const Problem& problem) {
        const HeadTile at = longest_first(index, tiles(problem), problem.heads_kv * problem.batch);
        return of(at.head, at.tile, problem);
    }

    // The order where a tile waits for those of the head's later keys, which have lower indices. Under the causal mask they begin at a later
    // query tile and so are ahead. Heads take turns, as many as fill an H100: tiles of one that start at once would wait for each other.
    static __device__ __forceinline__ KeyTile in_order(int index, const Problem& problem) {
        constexpr int TOGETHER = 132;
        const int heads = (TOGETHER + tiles(problem) - 1) / tiles(problem), first = index / (heads * tiles(problem)) * heads;
        const int members = min(heads, problem.batch * problem.heads_kv - first), rest = index % (heads * tiles(problem));
        return of(first + rest % members, tiles(problem) - 1 - rest / members, problem);
    }

    // The tile of a head of a batch entry.
    static __device__ __forceinline__ KeyTile of(int entry, int tile, const Problem& problem) {
        const int kv_head = entry % problem.heads_kv;
        return {entry / problem.heads_kv, kv_head, tile * TILE_N, (kv_head + 1) * (problem.heads_q / problem.heads_kv)};
    }

    // The same, for a warp that shares it.
    __device__ __forceinline__ KeyTile in_warp() const { return {uniform(batch), uniform(kv_head), uniform(key0), uniform(end_head)}; }

    __device__ __forceinline__ bool exists() const { return end_head > 0; }

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

// Query tile after query tile, each in its place of a ring; DOWN from the last one.
template <int SLOTS, bool DOWN = false>
struct RingWalk {
    int head, tile;
    Turn<SLOTS> turn;

    __device__ __forceinline__ RingWalk(const KeyTile& keys, const Problem& problem, Turn<SLOTS> turn = {}) : tile(begin(keys, problem)), turn(turn) {
        head = keys.first(problem) < keys.last(problem) ? keys.first_head(problem) : keys.end_head;
    }
    static __device__ __forceinline__ int begin(const KeyTile& keys, const Problem& problem) {
        return DOWN ? keys.last(problem) - 1 : keys.first(problem);
    }
    __device__ __forceinline__ bool valid(const KeyTile& keys) const { return head < keys.end_head; }
    __device__ __forceinline__ int slot() const { return turn.slot(); }
    __device__ __forceinline__ unsigned parity() const { return turn.parity(); }

    __device__ __forceinline__ RingWalk next(const KeyTile& keys, const Problem& problem) const {
        RingWalk next = *this;
        next.turn.next();
        if (DOWN ? --next.tile >= keys.first(problem) : ++next.tile < keys.last(problem)) return next;
        next.tile = begin(keys, problem);
        ++next.head;
        return next;
    }
};
using QueryWalk = RingWalk<STAGES>;
