#pragma once
// The float32 workspace for dQ: one block of TILE_M x HEAD_DIM per query tile, in the order of the tensor-core accumulators, so that a warp's
// additions to it are contiguous. It consists of blocks of 16 rows x 8 columns.
#include "dq_order.cuh"
#include "params.cuh"
#include "plan.cuh"

// Where the 16 x 8 block of rows [16 * block_row, ...) and columns [8 * block_column, ...) starts.
__device__ __forceinline__ int dq_block_offset(int block_row, int block_column) { return (block_row * (HEAD_DIM / 8) + block_column) * 128; }

// Where one element lies.
__device__ __forceinline__ int dq_offset(int row, int column) { return dq_block_offset(row / 16, column / 8) + dq_order(row % 16, column % 8); }

// The tile's first element.
__device__ __forceinline__ float* dq_tile(float* accumulator, const Problem& p, int batch, int head, int tile) {
    const int tiles = (p.seq_len_q + TILE_M - 1) / TILE_M;
    return accumulator + ((static_cast<long long>(batch) * p.heads_q + head) * tiles + tile) * (TILE_M * HEAD_DIM);
}
