#pragma once
// Query i sees keys j <= i + seq_len_k - seq_len_q: aligned bottom-right.
#include "params.cuh"

constexpr bool CAUSAL = true;

// Keys [0, end) are what query `row` < seq_len_q sees; end is negative or 0 where it sees none.
__device__ __forceinline__ int visible_keys_end(int row, const Problem& p) { return row + p.seq_len_k - p.seq_len_q + 1; }
// Queries [begin, seq_len_q) are what sees key `key`.
__device__ __forceinline__ int visible_queries_begin(int key, const Problem& p) {
    return max(0, key - (p.seq_len_k - p.seq_len_q));
}
