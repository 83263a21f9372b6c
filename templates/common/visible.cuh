#pragma once
// Which elements of a lane's fragments the mask and the ends of the sequences leave visible.
#include "mask.cuh"
#include "params.cuh"

// Seen from one (key, query) of the lane's; its other elements lie at constant distances from it.
struct Visible {
    int keys, queries;  // from here to the ends of the sequences
    int diagonal;       // from here to the first key that this query does not see

    __device__ __forceinline__ Visible(int key, int query, const Problem& p)
        : keys(p.seq_len_k - key), queries(p.seq_len_q - query), diagonal(visible_keys_end(query, p) - key) {}

    __device__ __forceinline__ bool operator()(int key, int query) const {
        return key < keys && query < queries && (!CAUSAL || key - query < diagonal);
    }
};
