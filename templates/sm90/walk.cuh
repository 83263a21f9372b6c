#pragma once
// The order in which a block takes query tiles, and each one's key tiles.
#include "../common/mask.cuh"
#include "../common/params.cuh"
#include "../common/plan.cuh"

// The key tiles that every row of a query tile sees whole; those behind them the mask cuts.
__device__ __forceinline__ int whole_tiles(int row0, const Problem& problem) { return max(visible_keys_end(row0, problem), 0) / TILE_N; }

struct Walk {
    int round = 0;                   // query tiles taken so far
    int row0, head, kv_head, batch;  // of the query tile
    int key = 0, keys;               // key tiles: this one, and how many there are

    __device__ __forceinline__ explicit Walk(const Problem& problem) { locate(problem); }

    __device__ __forceinline__ bool valid() const { return row0 >= 0; }
    // Whether the mask cuts the key tile: some rows do not see some keys.
    __device__ __forceinline__ bool cut(const Problem& problem) const { return key >= whole_tiles(row0, problem); }

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

    // Row tiles of one head follow each other, so that blocks that run together share its keys. Under the causal mask, where every block has
    // several, a block takes a long and a short one in turn: each two of a head see as many keys as any other two.
    __device__ __forceinline__ void locate(const Problem& problem) {
        const int rows = (problem.seq_len_q + TILE_M - 1) / TILE_M, heads = problem.batch * problem.heads_q, blocks = gridDim.x;
        const bool pairs = CAUSAL && rows * heads > blocks;
        const int turns = pairs ? 2 : 1, per_head = (rows + turns - 1) / turns;
        const int index = round / turns * blocks + static_cast<int>(blockIdx.x), pair = index / per_head;
        int row = index % per_head;
        if (pairs && round % 2 == 0) {
            row = 2 * per_head - 1 - row;
            if (row == rows) {  // the shortest of an odd number has no other
                row = 0;
                ++round;
            }
        }
        row0 = -1;
        if (pair >= heads) return;
        row0 = row * TILE_M;
        batch = pair / problem.heads_q;
        head = pair % problem.heads_q;
        kv_head = head / (problem.heads_q / problem.heads_kv);
        const int last_row = min(row0 + TILE_M, problem.seq_len_q) - 1;
        keys = max((visible_keys_end(last_row, problem) + TILE_N - 1) / TILE_N, 1);
    }
};
