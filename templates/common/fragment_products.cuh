#pragma once
// The two kinds of product of the backward passes. A warp owns BLOCKS x 16 rows of one side (keys or queries); the other side's rows pass
// by 16 at a time, as a tile in shared memory. Every fragment of those serves all BLOCKS blocks.
#include "nonfinite_fragment.cuh"
#include "tile.cuh"

// The warp's own rows as the A operand: the first RESIDENT of K_STEPS steps in registers, the others read from shared memory each time.
template <int BLOCKS, int RESIDENT>
struct OwnRows {
    Register resident[BLOCKS][RESIDENT > 0 ? RESIDENT : 1][4];
    unsigned address;  // in shared memory, the lane's

    __device__ __forceinline__ void begin(unsigned first_row, int lane) {
        address = rows_fragment(first_row, lane);
#pragma unroll
        for (int block = 0; block < BLOCKS; ++block)
#pragma unroll
            for (int step = 0; step < RESIDENT; ++step) load_matrix_x4(resident[block][step], at_step(address + block * 16 * ROW_BYTES, step));
    }

    __device__ __forceinline__ void read(Register (&a)[4], int block, int step) const {
        if (step < RESIDENT) {
#pragma unroll
            for (int i = 0; i < 4; ++i) a[i] = resident[block][step < RESIDENT ? step : 0][i];
        } else {
            load_matrix_x4(a, at_step(address + block * 16 * ROW_BYTES, step));
        }
    }
};

// Sums over passing rows.
template <int BLOCKS>
using Gradient = float[BLOCKS][HEAD_DIM / 8][4];

template <int BLOCKS>
__device__ __forceinline__ void clear(Gradient<BLOCKS>& gradient) {
#pragma unroll
    for (int block = 0; block < BLOCKS; ++block)
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 2; ++i) gradient[block][i / 4][i % 4] = 0.0f;
}

// One step of scores = own * passing^T, over the columns [16 * step, 16 * step + 16); `passing` is a columns_fragment address.
template <int BLOCKS, int RESIDENT>
__device__ __forceinline__ void multiply_step(float (&scores)[BLOCKS][2][4], const OwnRows<BLOCKS, RESIDENT>& own, unsigned passing, int step) {
    if (step == 0) {
#pragma unroll
        for (int block = 0; block < BLOCKS; ++block)
#pragma unroll
            for (int i = 0; i < 8; ++i) scores[block][i / 4][i % 4] = 0.0f;
    }
    Register b[4];
    load_matrix_x4(b, at_step(passing, step));
#pragma unroll
    for (int block = 0; block < BLOCKS; ++block) {
        Register a[4];
        own.read(a, block, step);
        mma(scores[block][0], a, b[0], b[1]);
        mma(scores[block][1], a, b[2], b[3]);
    }
}

// A barrier of the warp, which the compiler moves no load across: without any it reads ahead until registers run out.
__device__ __forceinline__ void fence(bool fenced, int step) {
    if (fenced && step > 0 && step % 2 == 0) __syncwarp();
}

// All steps; FENCED where registers are short.
template <bool FENCED = false, int BLOCKS, int RESIDENT>
__device__ __forceinline__ void multiply(float (&scores)[BLOCKS][2][4], const OwnRows<BLOCKS, RESIDENT>& own, unsigned passing) {
#pragma unroll
    for (int step = 0; step < K_STEPS; ++step) {
        fence(FENCED, step);
        multiply_step(scores, own, passing, step);
    }
}

// gradient += operand * passing, of the columns [16 * step, 16 * step + 16); `passing` is a rows_fragment address.
template <int BLOCKS>
__device__ __forceinline__ void accumulate_step(float (&gradient)[BLOCKS][HEAD_DIM / 8][4], const Register (&operand)[BLOCKS][4], unsigned passing,
                                                int step) {
    Register b[4];
    load_matrix_x4_transposed(b, at_step(passing, step));
#pragma unroll
    for (int block = 0; block < BLOCKS; ++block) {
        mma(gradient[block][2 * step], operand[block], b[0], b[1]);
        mma(gradient[block][2 * step + 1], operand[block], b[2], b[3]);
    }
}

// The same of all columns.
template <bool FENCED = false, int BLOCKS>
__device__ __forceinline__ void accumulate(float (&gradient)[BLOCKS][HEAD_DIM / 8][4], const Register (&operand)[BLOCKS][4], unsigned passing) {
#pragma unroll
    for (int step = 0; step < K_STEPS; ++step) {
        fence(FENCED, step);
        accumulate_step(gradient, operand, passing, step);
    }
}

// Stores own rows [0, end) of a gradient times `factor` to global memory, through `staging` rows of the warp's own in shared memory, so that
// they leave in whole 16-byte chunks.
template <int BLOCKS>
__device__ __forceinline__ void store_rows(const float (&gradient)[BLOCKS][HEAD_DIM / 8][4], float factor, unsigned staging, Element* data,
                                           long long stride, int end, int head_dim, int lane) {
    __syncwarp();  // other lanes may have read the rows
#pragma unroll
    for (int block = 0; block < BLOCKS; ++block)
#pragma unroll
        for (int n = 0; n < HEAD_DIM / 8; ++n)
#pragma unroll
            for (int r = 0; r < 2; ++r)
                store_shared(staging + chunk_offset(block * 16 + lane / 4 + 8 * r, n) + 4 * (lane & 3),
                             pack(gradient[block][n][2 * r] * factor, gradient[block][n][2 * r + 1] * factor));
    __syncwarp();
#pragma unroll 4
    for (int index = lane; index < BLOCKS * 16 * ROW_CHUNKS; index += 32) {
        const int row = index / ROW_CHUNKS, chunk = index % ROW_CHUNKS;
        if (row < end && chunk * 8 < head_dim)
            *reinterpret_cast<uint4*>(data + row * stride + chunk * 8) = load_shared_16(staging + chunk_offset(row, chunk));
    }
}
