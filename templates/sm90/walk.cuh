#pragma once
// The order in which a block takes query tiles, and each one's key tiles.
#include "../common/mask.cuh"
#include "../common/params.cuh"
#include "../common/plan.cuh"

// Keys and values of so many bytes stay in L2 beside what else is there.
constexpr long long L2_BYTES = 32 << 20;

struct Walk {
    int round;                       // query tiles taken so far
    int row0, head, kv_head, batch;  // of the query tile
    int key = 0, keys;               // key tiles: this one, and how many there are

    __device__ __forceinline__ explicit Walk(const Problem& problem, int round = 0) : round(round) { locate(problem); }

    __device__ __forceinline__ bool valid() const { return row0 >= 0; }
    // Whether some row does not see some key of this tile, and whether values of it could be seen by some rows alone.
    __device__ __forceinline__ bool masked(const Problem& problem) const { return (key + 1) * TILE_N > visible_keys_end(row0, problem); }
    __device__ __forceinline__ bool cleaned(const Problem& problem) const { return CAUSAL && masked(problem); }
    // The keys of the tiles that every row sees whole.
    __device__ __forceinline__ int whole_keys(const Problem& problem) const { return max(visible_keys_end(row0, problem), 0) / TILE_N * TILE_N; }

    __device__ __forceinline__ void next_tile(const Problem& problem) {
        ++round;
        key = 0;
        locate(problem);
    }

    // The next key tile, of the next query tile after the last one where this goes on; false where there is none.
    template <bool GOES_ON>
    __device__ __forceinline__ bool advance(const Problem& problem) {
        if (key + 1 < keys) {
            ++key;
            return true;
        }
        if (!GOES_ON) return false;
        next_tile(problem);
        return valid();
    }

    // Row tiles of one head follow each other, so that blocks that run together share its keys. Under the causal mask their lengths differ:
    // among as many heads as L2 holds the longest tiles come first, and every second round runs backwards, which evens out the blocks' shares.
    __device__ __forceinline__ void locate(const Problem& problem) {
        const int row_tiles = (problem.seq_len_q + TILE_M - 1) / TILE_M, heads = problem.batch * problem.heads_q, blocks = gridDim.x;
        int index = round * blocks + static_cast<int>(CAUSAL && round % 2 ? blocks - 1 - blockIdx.x : blockIdx.x), pair, row;
        row0 = -1;
        if (index >= row_tiles * heads) return;
        const int group = problem.heads_q / problem.heads_kv;
        if (CAUSAL) {
            const int section = max(1, static_cast<int>(L2_BYTES / (4ll * problem.seq_len_k * problem.head_dim))) * group;
            const int first = index / (row_tiles * section) * section, width = min(section, heads - first);
            index -= first * row_tiles;
            row = row_tiles - 1 - index / width;
            pair = first + index % width;
        } else {
            row = index % row_tiles;
            pair = index / row_tiles;
        }
        row0 = row * TILE_M;
        batch = pair / problem.heads_q;
        head = pair % problem.heads_q;
        kv_head = head / group;
        const int last_row = min(row0 + TILE_M, problem.seq_len_q) - 1;
        keys = max((visible_keys_end(last_row, problem) + TILE_N - 1) / TILE_N, 1);
    }
};
