// FlashSigmoid, Algorithm 2, for Hopper: dK and dV of one tile of 64 keys of one key-value head, over all query tiles that see it, where the head
// dim is so large that either takes a warpgroup's registers.
//
//     S^T = K Q^T     P = sigma(S)                 dV += P^T dO         the first consumer warpgroup
//     dP^T = V dO^T   dS = P (1 - P) dP            dK += dS^T Q         the second
//
// Everything is transposed, so that P^T and dS^T leave one product in the registers that the next one reads. What the second warpgroup needs of the
// first, the slope P (1 - P), goes through shared memory in float32, two tiles of it, so that the first runs ahead. A third warpgroup feeds both:
// one warp loads K and Q, another V and dO, of query tiles in a ring. Either consumer starts the scores of the tile ahead before the sum of
// this one, and turns them into weights meanwhile.
#include "../common/plan.cuh"
#include "../common/dtype.cuh"
#include "../common/mask.cuh"
#include "../common/params.cuh"
#include "../common/power_of_two.cuh"
#include "../common/sigmoid_slope.cuh"
#include "../ptx/mbarrier.cuh"
#include "../ptx/shared_memory.cuh"
#include "../ptx/uniform.cuh"
#include "../ptx/wgmma.cuh"
#include "../ptx/wgmma_products.cuh"
#include "blocks.cuh"
#include "clean.cuh"
#include "copy.cuh"
#include "key_rows.cuh"
#include "query_walk.cuh"

constexpr int KV_BYTES = tile_bytes(TILE_N), Q_BYTES = tile_bytes(TILE_M);
constexpr int SLOPE_BYTES = TILE_N * TILE_M * 4, EXCHANGES = 2;
constexpr int RESIDENT_STEPS = 0;
constexpr int USERS = 8 + CAUSAL;  // warps that a slot's Q, or its dO, waits for: the consumers' and the one that looks through it

// Shared memory, from a multiple of 1024 bytes: K | V | the ring of Q and dO | slopes | barriers and flags.
constexpr int V_OFFSET = KV_BYTES, RING = 2 * KV_BYTES, SLOPES = RING + 2 * STAGES * Q_BYTES, BARRIERS = SLOPES + EXCHANGES * SLOPE_BYTES;
static_assert(SHARED_BYTES == BARRIERS + 2048 && THREADS == 3 * 128);
static_assert(TILE_N == 64 && STAGES >= 2 && STAGES <= 8);

struct Shared {
    unsigned base;

    __device__ __forceinline__ unsigned k() const { return base; }
    __device__ __forceinline__ unsigned v() const { return base + V_OFFSET; }
    __device__ __forceinline__ unsigned q(int slot) const { return base + RING + slot * Q_BYTES; }
    __device__ __forceinline__ unsigned d_o(int slot) const { return q(STAGES + slot); }
    __device__ __forceinline__ unsigned slopes(int place) const { return base + SLOPES + place * SLOPE_BYTES; }
    // Barriers: K and V filled; slopes filled and free again; a slot's Q and dO filled and free again, looked through for what hidden queries hold,
    // and dO cleared of it.
    __device__ __forceinline__ unsigned kv_full(int i) const { return base + BARRIERS + 8 * i; }
    __device__ __forceinline__ unsigned slopes_full(int place) const { return kv_full(2 + place); }
    __device__ __forceinline__ unsigned slopes_empty(int place) const { return kv_full(2 + EXCHANGES + place); }
    __device__ __forceinline__ unsigned q_full(int slot) const { return kv_full(2 + 2 * EXCHANGES + slot); }
    __device__ __forceinline__ unsigned do_full(int slot) const { return q_full(STAGES + slot); }
    __device__ __forceinline__ unsigned q_empty(int slot) const { return q_full(2 * STAGES + slot); }
    __device__ __forceinline__ unsigned do_empty(int slot) const { return q_full(3 * STAGES + slot); }
    __device__ __forceinline__ unsigned q_inspected(int slot) const { return q_full(4 * STAGES + slot); }
    __device__ __forceinline__ unsigned do_inspected(int slot) const { return q_full(5 * STAGES + slot); }
    __device__ __forceinline__ unsigned do_clean(int slot) const { return q_full(6 * STAGES + slot); }
    // Flags: whether a slot's Q or its dO holds non-finite values, and whether any were cleared.
    __device__ __forceinline__ unsigned q_dirty(int slot) const { return base + BARRIERS + 512 + 4 * slot; }
    __device__ __forceinline__ unsigned do_dirty(int slot) const { return q_dirty(STAGES + slot); }
    __device__ __forceinline__ unsigned q_cleared() const { return q_dirty(2 * STAGES); }
    __device__ __forceinline__ unsigned do_cleared() const { return q_dirty(2 * STAGES + 1); }
};

// Producer: K once, then Q of one query tile after another; V and dO.
__device__ __forceinline__ void load_queries(const BackwardTensorParams& params, const Shared shared, const KeyTile& keys) {
    const Problem& problem = params.plain.problem;
    QueryWalk at(keys, problem);
    if (at.valid(keys)) load_tile(shared.k(), params.k_map, shared.kv_full(0), TILE_N, keys.key0, keys.kv_head, keys.batch);
    for (; at.valid(keys); at = at.next(keys, problem)) {
        mbarrier_wait(shared.q_empty(at.slot()), at.parity() ^ 1);
        load_tile(shared.q(at.slot()), params.q_map, shared.q_full(at.slot()), TILE_M, at.tile * TILE_M, at.head, keys.batch);
    }
}
__device__ __forceinline__ void load_gradients(const BackwardTensorParams& params, const Shared shared, const KeyTile& keys) {
    const Problem& problem = params.plain.problem;
    QueryWalk at(keys, problem);
    if (at.valid(keys)) load_tile(shared.v(), params.v_map, shared.kv_full(1), TILE_N, keys.key0, keys.kv_head, keys.batch);
    for (; at.valid(keys); at = at.next(keys, problem)) {
        mbarrier_wait(shared.do_empty(at.slot()), at.parity() ^ 1);
        load_tile(shared.d_o(at.slot()), params.do_map, shared.do_full(at.slot()), TILE_M, at.tile * TILE_M, at.head, keys.batch);
    }
}

// Producer: a warp looks through Q, another through dO, of the tiles that the mask cuts, since a hidden query's dS = 0 times an infinity is NaN in
// dK, and so with dV. Consumers do what it takes.
__device__ __forceinline__ void inspect_queries(const Problem& problem, const Shared shared, const KeyTile& keys, bool d_o, int lane) {
    for (QueryWalk at(keys, problem); at.valid(keys); at = at.next(keys, problem)) {
        const int slot = at.slot();
        mbarrier_wait(d_o ? shared.do_full(slot) : shared.q_full(slot), at.parity());
        if (keys.masked(at.tile, problem)) {
            const bool dirty = any_nonfinite(d_o ? shared.d_o(slot) : shared.q(slot), Q_BYTES, lane);
            if (lane == 0) {
                store_shared(d_o ? shared.do_dirty(slot) : shared.q_dirty(slot), dirty);
                mbarrier_arrive(d_o ? shared.do_inspected(slot) : shared.q_inspected(slot));
            }
        }
        if (lane == 0) mbarrier_arrive(d_o ? shared.do_empty(slot) : shared.q_empty(slot));
    }
}

// A consumer warpgroup.
struct Consumer : KeyRows<RESIDENT_STEPS> {
    const Shared shared;
    QueryWalk at;               // the query tile now
    Turn<EXCHANGES> exchange;   // the place of the next slopes
    unsigned masked_turns = 0;  // of each slot, the parity of the barriers that only tiles pass which the mask cuts
    Gradient gradient;
    OwnRows own;

    __device__ __forceinline__ Consumer(const BackwardTensorParams& params, const Shared shared, const KeyTile& keys, int warp)
        : KeyRows(params, keys, warp), shared(shared), at(keys, params.plain.problem) {
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 2; ++i) gradient[i] = 0.0f;
    }

    // Clears Q or dO of a tile that the mask cuts of non-finite values, once scores are made of it; the warp takes its share. restore_cleared makes up
    // for it.
    __device__ __forceinline__ void clean(unsigned tile, unsigned dirty, unsigned cleared) const {
        if (load_shared(dirty) == 0) return;
        join();  // the other warps' products have read it too
        clear_nonfinite(tile + warp * (Q_BYTES / 4), Q_BYTES / 4, lane());
        store_shared(cleared, 1);
        fence_async_shared();
    }

    // Where this thread's slopes lie, of which it has four at every 128 * 16 bytes: for the thread of the same index in the other warpgroup.
    __device__ __forceinline__ unsigned own_slopes() const { return shared.slopes(exchange.slot()) + thread() % 128 * 16; }
};

// The first: P and dV.
struct ValueConsumer : Consumer {
    Scores s;
    Operand p;

    using Consumer::Consumer;

    __device__ __forceinline__ void multiply_keys(const QueryWalk& of) {
        mbarrier_wait(shared.q_full(of.slot()), of.parity());
        multiply(s, own, shared.k(), shared.q(of.slot()));
    }

    // P^T of a tile, from the exponentials of S, and its slopes for the other warpgroup.
    __device__ __forceinline__ void activate(const QueryWalk& of) {
        const bool masked = keys.masked(of.tile, problem);
        const int slot = of.slot();
        const unsigned turn = masked_turns >> slot & 1;
        sigmoid_slopes(s, p);
        if (CAUSAL && masked) {
            mbarrier_wait(shared.q_inspected(slot), turn);
            clean(shared.q(slot), shared.q_dirty(slot), shared.q_cleared());
        }
        hand_over();
        release(shared.q_empty(slot));
        if (!masked) return;
        hide_probabilities(p, of.tile);
        if (!CAUSAL) return;
        mbarrier_wait(shared.do_clean(slot), turn);
        masked_turns ^= 1u << slot;
    }

    __device__ __forceinline__ void hand_over() {
        mbarrier_wait(shared.slopes_empty(exchange.slot()), exchange.parity() ^ 1);
        const unsigned slopes = own_slopes();
#pragma unroll
        for (int i = 0; i < TILE_M / 2; i += 4) {
            const float four[4] = {s[i], s[i + 1], s[i + 2], s[i + 3]};
            store_shared(slopes + i / 4 * 128 * 16, four);
        }
        __syncwarp();
        release(shared.slopes_full(exchange.slot()));
        exchange.next();
    }

    // All query tiles.
    __device__ __forceinline__ void sum() {
        mbarrier_wait(shared.kv_full(0), 0);
        keep(own, shared.k());
        multiply_keys(at);
        wgmma_wait<0>();
        pin(s);
        exponentiate(s);
        activate(at);
        while (true) {
            const QueryWalk ahead = at.next(keys, problem);
            mbarrier_wait(shared.do_full(at.slot()), at.parity());
            if (!ahead.valid(keys)) break;
            multiply_keys(ahead);
            accumulate(gradient, p, shared.d_o(at.slot()));
            wgmma_wait<1>();
            pin(s);
            exponentiate(s);
            wgmma_wait<0>();
            pin(gradient);
            pin(p);
            release(shared.do_empty(at.slot()));
            activate(ahead);
            at = ahead;
        }
        accumulate(gradient, p, shared.d_o(at.slot()));
        wgmma_wait<0>();
        pin(gradient);
        pin(p);
    }

    __device__ __forceinline__ void run() {
        if (at.valid(keys)) sum();
        store(gradient, power_of_two(-P_SCALE_LOG2), shared.k(), params.dv_map);  // through the place that only this warpgroup has read
        if (CAUSAL) restore_cleared<false>(shared.do_cleared());
        if (lane() == 0) tma_store_wait_read();  // before the block gives its shared memory up
    }
};

// The second: dS and dK.
struct KeyConsumer : Consumer {
    Scores dp;
    Operand ds;

    using Consumer::Consumer;

    __device__ __forceinline__ void multiply_values(const QueryWalk& of) {
        mbarrier_wait(shared.do_full(of.slot()), of.parity());
        multiply(dp, own, shared.v(), shared.d_o(of.slot()));
    }

    // dS^T of a tile in the place of dP^T.
    __device__ __forceinline__ void differentiate(const QueryWalk& of) {
        const bool masked = keys.masked(of.tile, problem);
        const int slot = of.slot();
        if (CAUSAL && masked) {
            mbarrier_wait(shared.do_inspected(slot), masked_turns >> slot & 1);
            masked_turns ^= 1u << slot;
            clean(shared.d_o(slot), shared.do_dirty(slot), shared.do_cleared());
            __syncwarp();
            release(shared.do_clean(slot));
        }
        release(shared.do_empty(slot));
        take_over();
        if (masked) hide_gradients(dp, of.tile);
    }

    __device__ __forceinline__ void take_over() {
        mbarrier_wait(shared.slopes_full(exchange.slot()), exchange.parity());
        const unsigned slopes = own_slopes();
#pragma unroll
        for (int i = 0; i < TILE_M / 2; i += 4) {
            float four[4];
            load_shared(four, slopes + i / 4 * 128 * 16);
#pragma unroll
            for (int j = 0; j < 4; ++j) dp[i + j] *= four[j];
        }
        __syncwarp();
        release(shared.slopes_empty(exchange.slot()));
        exchange.next();
    }

    // All query tiles.
    __device__ __forceinline__ void sum() {
        mbarrier_wait(shared.kv_full(1), 0);
        keep(own, shared.v());
        multiply_values(at);
        wgmma_wait<0>();
        pin(dp);
        differentiate(at);
        while (true) {
            pack_scores(dp, ds);
            const QueryWalk ahead = at.next(keys, problem);
            mbarrier_wait(shared.q_full(at.slot()), at.parity());
            if (!ahead.valid(keys)) break;
            multiply_values(ahead);
            accumulate(gradient, ds, shared.q(at.slot()));
            wgmma_wait<1>();
            pin(dp);
            differentiate(ahead);
            wgmma_wait<0>();
            pin(gradient);
            pin(ds);
            release(shared.q_empty(at.slot()));
            at = ahead;
        }
        accumulate(gradient, ds, shared.q(at.slot()));
        wgmma_wait<0>();
        pin(gradient);
        pin(ds);
    }

    __device__ __forceinline__ void run() {
        if (at.valid(keys)) sum();
        store(gradient, problem.scale * power_of_two(-DS_SCALE_LOG2), shared.v(), params.dk_map);  // through the place that only this warpgroup has read
        if (CAUSAL) restore_cleared<true>(shared.q_cleared());
        if (lane() == 0) tma_store_wait_read();  // before the block gives its shared memory up
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM) KERNEL_NAME(const __grid_constant__ BackwardTensorParams params) {
    extern __shared__ unsigned char memory[];
    const Shared shared{(shared_address(memory) + 1023) & ~1023u};
    const KeyTile keys = KeyTile::of_block(params.plain.problem);
    const int warp = uniform(threadIdx.x / 32), lane = threadIdx.x % 32;
    if (threadIdx.x == 0) {
        mbarrier_init(shared.kv_full(0), 1);
        mbarrier_init(shared.kv_full(1), 1);
        for (int i = 0; i < EXCHANGES; ++i) {
            mbarrier_init(shared.slopes_full(i), 4);
            mbarrier_init(shared.slopes_empty(i), 4);
        }
        for (int i = 0; i < STAGES; ++i) {
            mbarrier_init(shared.q_full(i), 1);
            mbarrier_init(shared.do_full(i), 1);
            mbarrier_init(shared.q_empty(i), USERS);
            mbarrier_init(shared.do_empty(i), USERS);
            mbarrier_init(shared.q_inspected(i), 1);
            mbarrier_init(shared.do_inspected(i), 1);
            mbarrier_init(shared.do_clean(i), 4);
        }
        if (CAUSAL) {
            store_shared(shared.q_cleared(), 0);
            store_shared(shared.do_cleared(), 0);
        }
        mbarrier_init_fence();
    }
    __syncthreads();

    if (warp < 4) {
        registers_shrink<24>();
        if (warp == 0 && lane == 0) load_queries(params, shared, keys);
        if (warp == 1 && lane == 0) load_gradients(params, shared, keys);
        if (CAUSAL && warp >= 2) inspect_queries(params.plain.problem, shared, keys, warp == 3, lane);
    } else {
        registers_grow<240>();
        if (warp < 8)
            ValueConsumer(params, shared, keys, warp - 4).run();
        else
            KeyConsumer(params, shared, keys, warp - 8).run();
    }
}
