#pragma once
// Every query sees every key.
#include "params.cuh"

constexpr bool CAUSAL = false;

// Keys [0, end) are what query `row` sees.
__device__ __forceinline__ int visible_keys_end(int, const Problem& p) { return p.seq_len_k; }
// Queries [begin, seq_len_q) are what sees key `key`.
__device__ __forceinline__ int visible_queries_begin(int, const Problem&) { return 0; }
