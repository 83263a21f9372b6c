#pragma once
// What a consumer warpgroup of the backward pass does for the 64 keys that it owns, which are the rows of its products.
#include "../common/dtype.cuh"
#include "../common/mask.cuh"
#include "../common/nonfinite.cuh"
#include "../common/params.cuh"
#include "../common/plan.cuh"
#include "../common/rows.cuh"
#include "../common/sigmoid.cuh"
#include "../common/visible.cuh"
#include "../ptx/barrier.cuh"
#include "../ptx/mbarrier.cuh"
#include "../ptx/mma_sync.cuh"
#include "../ptx/opaque.cuh"
#include "../ptx/shared_memory.cuh"
#include "../ptx/wgmma.cuh"
#include "../ptx/wgmma_products.cuh"
#include "blocks.cuh"
#include "copy.cuh"
#include "query_walk.cuh"

constexpr int K_STEPS = HEAD_DIM / 16, Q_STEPS = TILE_M / 16;
static_assert(TILE_M == 64);

// Fragments of 64 keys.
using Scores = float[TILE_M / 2];      // S^T, then the slope P (1 - P); or dP^T
using Operand = Register[TILE_M / 4];  // P^T or dS^T: four registers are the A operand for 16 queries
using Gradient = float[HEAD_DIM / 2];  // dV or dK

// Of a product with K or V, registers hold own rows for the first RESIDENT_STEPS steps of 16 columns, which spares shared memory.
template <int RESIDENT_STEPS>
struct KeyRows {
    const BackwardParams& plain;
    const Problem& problem;
    const int warp;       // of the tile: it owns 16 keys
    const unsigned rows;  // where this lane stores its row of the warp's matrices in a tile, at column 0

    using OwnRows = Register[RESIDENT_STEPS > 0 ? RESIDENT_STEPS : 1][4];

    __device__ __forceinline__ KeyRows(const BackwardParams& plain, int warp)
        : plain(plain), problem(plain.problem), warp(warp), rows(swizzled(warp * 16 + lane() % 16, lane() / 16, TILE_N)) {}

    // Who this is, read anew where it is used: few registers are free to keep it.
    static __device__ __forceinline__ int thread() { return thread_index() - 128; }
    static __device__ __forceinline__ int lane() { return thread_index() % 32; }
    __device__ __forceinline__ int first_row() const { return warp / 4 * 64; }  // of the warpgroup, in the tile

    // The lane again, from what a register is kept for anyway: where they are fewest, reading it anew costs one.
    __device__ __forceinline__ int kept_lane() const {
        const unsigned own = opaque(rows);
        return own / PANEL_ROW % 16 | (own / 16 ^ own / PANEL_ROW) % 2 * 16;
    }

    // Gives a place back, a lane per warp.
    __device__ __forceinline__ void release(unsigned empty) const {
        if (lane() == 0) mbarrier_arrive(empty);
    }

    // Keeps own rows of K or V.
    __device__ __forceinline__ void keep(OwnRows& own, unsigned tile) const {
#pragma unroll
        for (int step = 0; step < RESIDENT_STEPS; ++step) load_matrix_x4(own[step], tile + step / 4 * TILE_N * PANEL_ROW + (rows ^ step % 4 * 32));
    }

    // Starts own rows of K or V times a query tile's; `tile` has the columns of the steps that are not resident.
    __device__ __forceinline__ void multiply(Scores& scores, OwnRows& own, unsigned tile, unsigned passing) const {
        const Descriptor a = descriptor(opaque(tile + first_row() * PANEL_ROW), 16), b = descriptor(opaque(passing), 16);
        forget(scores);
#pragma unroll
        for (int step = 0; step < RESIDENT_STEPS; ++step) pin(own[step]);
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < K_STEPS; ++step) {
            if (step < RESIDENT_STEPS)
                wgmma_resident(scores, own[step < RESIDENT_STEPS ? step : 0], onward(b, panel_step(step, TILE_M)), step > 0);
            else
                wgmma(scores, onward(a, panel_step(step - RESIDENT_STEPS, TILE_N)), onward(b, panel_step(step, TILE_M)), step > 0);
        }
        wgmma_commit();
    }

    // Starts dV += P^T dO or dK += dS^T Q.
    __device__ __forceinline__ void accumulate(Gradient& gradient, Operand& weights, unsigned passing) const {
        const Descriptor b = descriptor(opaque(passing), TILE_M * PANEL_ROW);
        pin(gradient);
        pin(weights);
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < Q_STEPS; ++step) {
            const Register a[4] = {weights[4 * step], weights[4 * step + 1], weights[4 * step + 2], weights[4 * step + 3]};
            wgmma_rows(gradient, a, onward(b, step * 16 * PANEL_ROW), 1);
        }
        wgmma_commit();
    }

    // The exponential of S.
    __device__ __forceinline__ void exponentiate(Scores& s) const {
        const float scale = sigmoid_scale(problem.scale_log2), bias = sigmoid_bias(problem.bias_log2);
#pragma unroll
        for (int i = 0; i < TILE_M / 2; ++i) s[i] = sigmoid_begin(s[i], scale, bias);
        pin(s);  // it is not put off
    }

    // dS^T from dP^T times the slopes.
    static __device__ __forceinline__ void pack_scores(const Scores& scores, Operand& packed) {
#pragma unroll
        for (int i = 0; i < TILE_M / 4; ++i) packed[i] = pack(scores[2 * i], scores[2 * i + 1]);
    }

    // What this thread's fragments see of a tile.
    __device__ __forceinline__ Visible visible(const KeyTile& keys, int tile) const {
        return Visible(keys.key0 + warp * 16 + lane() / 4, tile * TILE_M + 2 * (lane() & 3), problem);
    }

    // Clears P^T where the query does not see the key, or one of them lies beyond its end; the same of dS^T.
    __device__ __forceinline__ void hide_probabilities(Operand& p, const KeyTile& keys, int tile) const {
        const Visible see = visible(keys, tile);
#pragma unroll
        for (int i = 0; i < TILE_M / 4; ++i) {
            if (!see(i % 2 * 8, i / 2 * 8)) p[i] &= 0xffff0000u;
            if (!see(i % 2 * 8, i / 2 * 8 + 1)) p[i] &= 0x0000ffffu;
        }
    }
    __device__ __forceinline__ void hide_gradients(Scores& ds, const KeyTile& keys, int tile) const {
        const Visible see = visible(keys, tile);
#pragma unroll
        for (int i = 0; i < TILE_M / 2; ++i)
            if (!see(i / 2 % 2 * 8, i / 4 * 8 + i % 2)) ds[i] = 0.0f;
    }

    // Stores the warp's 16 rows of a tile at columns [16 * step, 16 * step + 16).
    __device__ __forceinline__ void store_matrices(unsigned tile, int step, Register a, Register b, Register c, Register d) const {
        store_matrix_x4(tile + step / 4 * TILE_N * PANEL_ROW + (rows ^ step % 4 * 32), a, b, c, d);
    }

    // Waits for the warpgroup's other warps.
    static __device__ __forceinline__ void join() { barrier_sync(1 + thread_index() / 128, 128); }

    // Gives own rows of dK or dV what clearing kept from them: NaN for dK, for dV dO itself, where P is positive.
    template <bool DK>
    __device__ __forceinline__ void restore_cleared(const KeyTile& keys) const {
        const Rows k(plain.k, plain.k_strides, keys.batch, keys.kv_head);
        const Rows gradient(DK ? plain.dk : plain.dv, DK ? plain.dk_strides : plain.dv_strides, keys.batch, keys.kv_head);
        for (int index = thread() % 128; index < 64 * K_STEPS * 2; index += 128) {
            const int key = keys.key0 + first_row() + index / (K_STEPS * 2), column = index % (K_STEPS * 2) * 8;
            if (key >= problem.seq_len_k || column >= problem.head_dim) continue;
            uint4* const out = reinterpret_cast<uint4*>(const_cast<Element*>(gradient.row(key)) + column);
            const int first = visible_queries_begin(key, problem);
            for (int head = keys.first_head(problem); head < keys.end_head; ++head) {
                const Rows q(plain.q, plain.q_strides, keys.batch, head), d_o(plain.d_o, plain.do_strides, keys.batch, head);
                if constexpr (DK)
                    *out = spoil_nonfinite(*out, q.data + column, q.stride, first, problem.seq_len_q);
                else
                    *out = add_nonfinite(*out, d_o.data + column, d_o.stride, first, problem.seq_len_q, k.row(key), q, problem.head_dim, problem.scale);
            }
        }
    }
};
