// FlashSigmoid, Algorithm 1, for Hopper: O = sigma(scale * Q K^T + bias) V.
//
// A block stays on its SM and takes one tile of TILE_M query rows after another. Its first warpgroup feeds the others: one warp loads tiles of
// keys and values into a ring, one loads Q. Each consumer warpgroup owns 64 rows. Sigmoid needs no row statistics, so key tiles are
// independent work, and so are query tiles: with two Q tiles in shared memory a consumer's pipeline runs on from one to the next. Its step:
//
//     S = Q K(next)^T   |   O += P V(now)   beside each other on the tensor cores
//     P(next) = sigma(S)                    while O's product still runs
#include "../common/plan.cuh"
#include "../common/dtype.cuh"
#include "../common/mask.cuh"
#include "../common/params.cuh"
#include "../common/sigmoid.cuh"
#include "../common/nonfinite.cuh"
#include "../ptx/barrier.cuh"
#include "../ptx/mbarrier.cuh"
#include "../ptx/opaque.cuh"
#include "../ptx/shared_memory.cuh"
#include "../ptx/tma.cuh"
#include "../ptx/wgmma.cuh"
#include "../ptx/wgmma_products.cuh"
#include "blocks.cuh"
#include "clean.cuh"
#include "walk.cuh"

constexpr int KV_BYTES = tile_bytes(TILE_N);
constexpr int Q_BYTES = tile_bytes(64);  // of one consumer's rows
constexpr int K_STEPS = HEAD_DIM / 16, V_STEPS = TILE_N / 16;
constexpr bool CONTINUOUS = Q_TILES > 1;  // the pipeline runs on from one query tile to the next

// Shared memory, from a multiple of 1024 bytes: Q | the ring | barriers and flags.
constexpr int RING = Q_TILES * CONSUMERS * Q_BYTES, BARRIERS = RING + STAGES * KV_BYTES;
static_assert(SHARED_BYTES == BARRIERS + 2048 && THREADS == (CONSUMERS + 1) * 128);

struct Shared {
    unsigned base;

    __device__ __forceinline__ unsigned slot(int i) const { return base + RING + i * KV_BYTES; }
    __device__ __forceinline__ unsigned q(int tile, int consumer) const { return base + (tile * CONSUMERS + consumer) * Q_BYTES; }
    // Barriers of a slot: filled, free again, and copied but not yet cleared of what hidden rows hold.
    __device__ __forceinline__ unsigned full(int i) const { return base + BARRIERS + 8 * i; }
    __device__ __forceinline__ unsigned empty(int i) const { return full(STAGES + i); }
    __device__ __forceinline__ unsigned landed(int i) const { return full(2 * STAGES + i); }
    __device__ __forceinline__ unsigned q_full(int tile, int consumer) const { return full(3 * STAGES + tile * CONSUMERS + consumer); }
    __device__ __forceinline__ unsigned q_empty(int tile, int consumer) const { return q_full(Q_TILES + tile, consumer); }
    __device__ __forceinline__ unsigned cleared() const { return base + BARRIERS + 1008; }  // whether any values were
};

// The order in which a ring's slots are filled: the keys of a step come with the values of the step before.
template <class Visit>
__device__ __forceinline__ void ring_items(const Problem& problem, Visit visit) {
    for (Walk ahead(problem); ahead.valid(); ahead.next_tile(problem)) {
        Walk now = ahead;
        visit(now, true);
        while (ahead.advance<CONTINUOUS>(problem)) {
            visit(ahead, true);
            visit(now, false);
            now = ahead;
        }
        visit(now, false);
    }
}

// Producer: keys and values. Values that some row must not see go past the cleaning warp first.
__device__ __forceinline__ void load_ring(const ForwardTensorParams& params, const Shared shared) {
    const Problem& problem = params.plain.problem;
    Turn<STAGES> turn;
    ring_items(problem, [&](const Walk& at, bool keys) {
        mbarrier_wait(shared.empty(turn.slot()), turn.parity() ^ 1);
        const unsigned barrier = !keys && at.cleaned(problem) ? shared.landed(turn.slot()) : shared.full(turn.slot());
        mbarrier_arrive_expect(barrier, KV_BYTES);
#pragma unroll
        for (int panel = 0; panel < PANELS; ++panel)
            tma_load(shared.slot(turn.slot()) + panel * TILE_N * PANEL_ROW, keys ? params.k_map : params.v_map, barrier, panel * PANEL_COLUMNS,
                     at.key * TILE_N, at.kv_head, at.batch);
        turn.next();
    });
}

// Producer: each consumer's rows of Q.
__device__ __forceinline__ void load_queries(const ForwardTensorParams& params, const Shared shared) {
    Turn<Q_TILES> turn;
    for (Walk at(params.plain.problem); at.valid(); at.next_tile(params.plain.problem)) {
#pragma unroll
        for (int consumer = 0; consumer < CONSUMERS; ++consumer) {
            const unsigned barrier = shared.q_full(turn.slot(), consumer);
            mbarrier_wait(shared.q_empty(turn.slot(), consumer), turn.parity() ^ 1);
            mbarrier_arrive_expect(barrier, Q_BYTES);
#pragma unroll
            for (int panel = 0; panel < PANELS; ++panel)
                tma_load(shared.q(turn.slot(), consumer) + panel * 64 * PANEL_ROW, params.q_map, barrier, panel * PANEL_COLUMNS, at.row0 + consumer * 64,
                         at.head, at.batch);
        }
        turn.next();
    }
}

// Producer: clears non-finite values from tiles that the mask cuts, since 0 * inf is NaN. What was cleared is added to O in the end.
__device__ __forceinline__ void clean_values(const Problem& problem, const Shared shared, int lane) {
    Turn<STAGES> turn;
    unsigned parities = 0;  // of the slots' landed barriers
    ring_items(problem, [&](const Walk& at, bool keys) {
        if (!keys && at.cleaned(problem)) {
            mbarrier_wait(shared.landed(turn.slot()), parities >> turn.slot() & 1);
            parities ^= 1u << turn.slot();
            if (clear_nonfinite(shared.slot(turn.slot()), KV_BYTES, lane)) store_shared(shared.cleared(), 1);
            fence_async_shared();
            __syncwarp();
            if (lane == 0) mbarrier_arrive(shared.full(turn.slot()));
        }
        turn.next();
    });
}

// A consumer warpgroup: 64 query rows at a time.
struct Consumer {
    const ForwardTensorParams& params;
    const Shared shared;
    const float scale, bias;     // of the sigmoid's exponent
    Turn<STAGES> turn;           // in the ring
    Turn<Q_TILES> queries;       // among the Q tiles
    Walk ahead;                  // where S = Q K^T is; O += P V is one key tile behind
    int round;                   // of O
    int stored = -1;             // the Q tile from whose place the last O still leaves

    using Scores = float[TILE_N / 2];
    using Probabilities = Register[TILE_N / 4];  // four registers are the A operand for 16 keys
    float o[HEAD_DIM / 2];

    __device__ __forceinline__ Consumer(const ForwardTensorParams& params, const Shared shared)
        : params(params), shared(shared), scale(sigmoid_scale(params.plain.problem.scale_log2)), bias(sigmoid_bias(params.plain.problem.bias_log2)),
          ahead(params.plain.problem) {
        clear();
    }

    __device__ __forceinline__ void clear() {
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 2; ++i) asm volatile("mov.b32 %0, 0;" : "=f"(o[i]));
    }

    // Who this is, read anew where it is used: no register is free to keep it.
    static __device__ __forceinline__ int consumer() { return thread_index() / 128 - 1; }
    static __device__ __forceinline__ int thread() { return thread_index() % 128; }

    // Gives a slot back, a lane per warp.
    __device__ __forceinline__ void release(int slot) {
        if (thread() % 32 == 0) mbarrier_arrive(shared.empty(slot));
    }

    // Starts S = Q K^T with the ring's next slot, which it returns.
    __device__ __forceinline__ int multiply_queries(Scores& s) {
        const int slot = turn.slot();
        if (ahead.key == 0) mbarrier_wait(shared.q_full(queries.slot(), consumer()), queries.parity());
        mbarrier_wait(shared.full(slot), turn.parity());
        turn.next();
        const Descriptor q = descriptor(shared.q(queries.slot(), consumer()), 16), k = descriptor(shared.slot(slot), 16);
        pin(s);
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < K_STEPS; ++step) wgmma(s, further(q, panel_step(step, 64)), further(k, panel_step(step, TILE_N)), step > 0);
        wgmma_commit();
        return slot;
    }

    // Starts O += P V with the ring's next slot, which it returns.
    __device__ __forceinline__ int multiply_values(const Probabilities& p) {
        const int slot = turn.slot();
        mbarrier_wait(shared.full(slot), turn.parity());
        turn.next();
        const Descriptor v = descriptor(shared.slot(slot), TILE_N * PANEL_ROW);
        pin(o);
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < V_STEPS; ++step) {
            const Register a[4] = {p[4 * step], p[4 * step + 1], p[4 * step + 2], p[4 * step + 3]};
            wgmma_rows(o, a, further(v, step * 16 * PANEL_ROW), 1);
        }
        wgmma_commit();
        return slot;
    }

    // P = sigma(S) of the tile ahead.
    __device__ __forceinline__ void activate(Scores& s, Probabilities& p) {
#pragma unroll
        for (int i = 0; i < TILE_N / 4; ++i) {
            float &low = s[2 * i], &high = s[2 * i + 1];
            low = sigmoid_begin(low, scale, bias);
            high = sigmoid_begin(high, scale, bias);
            p[i] = pack(sigmoid_short(low), sigmoid_short(high));
        }
        sigmoid_settle(s, p);
        if (ahead.masked(params.plain.problem)) hide(p);
    }

    // Clears P where the row does not see the key.
    __device__ __forceinline__ void hide(Probabilities& p) {
        const Problem& problem = params.plain.problem;
        const int row = ahead.row0 + consumer() * 64 + thread() / 32 * 16 + thread() % 32 / 4, column = ahead.key * TILE_N + 2 * (thread() & 3);
#pragma unroll
        for (int i = 0; i < TILE_N / 4; ++i) {
            const int left = visible_keys_end(row + 8 * (i & 1), problem) - column - 16 * (i / 4) - 8 * (i >> 1 & 1);
            if (left < 2) p[i] = left < 1 ? 0 : p[i] & 0xffffu;
        }
    }

    // P of the first key tile, before the first step.
    __device__ __forceinline__ void begin(Probabilities& p) {
        Scores s;
        const int keys = multiply_queries(s);
        wgmma_wait<0>();
        pin(s);
        release(keys);
        activate(s, p);
        round = ahead.round;
    }

    // One step of the pipeline: `p` is P of the key tile now; `next` becomes that of the one ahead.
    __device__ __forceinline__ void step(Probabilities& p, Probabilities& next) {
        Scores s;
        const int keys = multiply_queries(s), values = multiply_values(p);
        wgmma_wait<1>();
        pin(s);
        release(keys);
        activate(s, next);
        wgmma_wait<0>();
        pin(o);
        pin(p);
        release(values);
        if (CONTINUOUS && ahead.key == 0) store(queries.slot() ^ 1);
        round = ahead.round;
    }

    // The last step, which has nothing ahead.
    __device__ __forceinline__ void finish(Probabilities& p) {
        const int values = multiply_values(p);
        wgmma_wait<0>();
        pin(o);
        pin(p);
        release(values);
        store(queries.slot());
        release_queries();
    }

    // Moves on to the next key tile; false at the end of the pipeline's run.
    __device__ __forceinline__ bool advance() {
        if (CONTINUOUS) release_queries();
        const bool more = ahead.advance<CONTINUOUS>(params.plain.problem);
        if (CONTINUOUS && more && ahead.key == 0) queries.next();
        return more;
    }

    __device__ __forceinline__ void run() {
        Probabilities even, odd;
        while (ahead.valid()) {
            begin(even);
            while (true) {
                if (!advance()) break;
                step(even, odd);
                if (!advance()) {
#pragma unroll
                    for (int i = 0; i < TILE_N / 4; ++i) even[i] = odd[i];
                    break;
                }
                step(odd, even);
            }
            finish(even);
            ahead.next_tile(params.plain.problem);
            queries.next();
        }
    }

    // Sends the finished O off from the place of its Q tile.
    __device__ __forceinline__ void store(int slot) {
        constexpr float unscale = 1.0f / (1 << P_SCALE_LOG2);
        const int lane = thread() % 32, row = thread() / 32 * 16 + lane % 16;
        const unsigned place = shared.q(slot, consumer());
        barrier_sync(1 + consumer(), 128);  // no warp's products read Q any more
#pragma unroll
        for (int step = 0; step < K_STEPS; ++step) {
            Register r[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) r[i] = pack(o[8 * step + 2 * i] * unscale, o[8 * step + 2 * i + 1] * unscale);
            store_matrix_x4(place + swizzled(row, 2 * step + lane / 16, 64), r[0], r[1], r[2], r[3]);
        }
        fence_async_shared();
        barrier_sync(1 + consumer(), 128);
        if (thread() == 0) {
            const Walk now(params.plain.problem, round);
#pragma unroll
            for (int panel = 0; panel < PANELS; ++panel)
                tma_store(params.o_map, place + panel * 64 * PANEL_ROW, panel * PANEL_COLUMNS, now.row0 + consumer() * 64, now.head, now.batch);
            tma_store_commit();
        }
        clear();
        stored = slot;
    }

    // Gives the place of the last stored O back to Q.
    __device__ __forceinline__ void release_queries() {
        if (stored >= 0 && thread() == 0) {
            tma_store_wait_read();
            mbarrier_arrive(shared.q_empty(stored, consumer()));
        }
        stored = -1;
    }

    // Adds what was cleared from values to the rows of O that see it, of every tile of this block.
    __device__ __forceinline__ void restore_cleared() {
        if (thread() == 0) tma_store_wait();
        barrier_sync(1 + consumer(), 128);
        if (load_shared(shared.cleared()) == 0) return;
        const Problem& problem = params.plain.problem;
        for (Walk at(problem); at.valid(); at.next_tile(problem)) {
            const Rows q(params.plain.q, params.plain.q_strides, at.batch, at.head), k(params.plain.k, params.plain.k_strides, at.batch, at.kv_head);
            const Rows v(params.plain.v, params.plain.v_strides, at.batch, at.kv_head), o(params.plain.o, params.plain.o_strides, at.batch, at.head);
            for (int index = thread(); index < 64 * K_STEPS * 2; index += 128) {
                const int row = at.row0 + consumer() * 64 + index / (K_STEPS * 2), column = index % (K_STEPS * 2) * 8;
                if (row >= problem.seq_len_q || column >= problem.head_dim) continue;
                uint4* out = reinterpret_cast<uint4*>(const_cast<Element*>(o.row(row)) + column);
                *out = add_nonfinite(*out, v.data + column, v.stride, at.whole_keys(problem), visible_keys_end(row, problem), q.row(row), k, problem.head_dim,
                                     problem.scale);
            }
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM) KERNEL_NAME(const __grid_constant__ ForwardTensorParams params) {
    extern __shared__ unsigned char memory[];
    const Shared shared{(shared_address(memory) + 1023) & ~1023u};
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    if (threadIdx.x == 0) {
        for (int i = 0; i < STAGES; ++i) {
            mbarrier_init(shared.full(i), 1);
            mbarrier_init(shared.empty(i), CONSUMERS * 4);
            mbarrier_init(shared.landed(i), 1);
        }
        for (int tile = 0; tile < Q_TILES; ++tile)
            for (int consumer = 0; consumer < CONSUMERS; ++consumer) {
                mbarrier_init(shared.q_full(tile, consumer), 1);
                mbarrier_init(shared.q_empty(tile, consumer), 1);
            }
        if (CAUSAL) store_shared(shared.cleared(), 0);
        mbarrier_init_fence();
    }
    __syncthreads();

    if (warp < 4) {
        if constexpr (CONSUMERS > 1) registers_shrink<PRODUCER_REGISTERS>();
        if (warp == 0 && lane == 0) load_ring(params, shared);
        if (warp == 1 && lane == 0) load_queries(params, shared);
        if (CAUSAL && warp == 2) clean_values(params.plain.problem, shared, lane);
    } else {
        if constexpr (CONSUMERS > 1) registers_grow<CONSUMER_REGISTERS>();
        Consumer consumer(params, shared);
        consumer.run();
        if (CAUSAL) consumer.restore_cleared();
    }
}
