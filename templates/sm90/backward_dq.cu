// FlashSigmoid, Algorithm 2 without sums across blocks, for Hopper: dQ of one tile of TILE_M query rows of one head, over all keys that they see.
//
//     S = Q K^T     dP = dO V^T     dS = sigma'(S) dP     dQ += dS K
//
// The first warpgroup loads: one warp K, which two products read, and one V. Each other warpgroup consumes them for 64 rows; dS leaves the
// first products in the registers that the last one reads. A consumer's step from one key tile to the next:
//
//     dQ += dS K(now)   |   S = Q K(next)^T   |   dP = dO V(next)^T   one behind the other on the tensor cores
//                                                 sigma'(S)              beside the last
//     dS(next) = sigma' dP                                               while another consumer's products run
#include "../common/plan.cuh"
#include "../common/dtype.cuh"
#include "../common/mask.cuh"
#include "../common/params.cuh"
#include "../common/power_of_two.cuh"
#include "../common/slope_tile.cuh"
#include "../common/nonfinite.cuh"
#include "../ptx/barrier.cuh"
#include "../ptx/opaque.cuh"
#include "../ptx/shared_memory.cuh"
#include "../ptx/uniform.cuh"
#include "../ptx/wgmma.cuh"
#include "../ptx/wgmma_products.cuh"
#include "blocks.cuh"
#include "clean.cuh"
#include "copy.cuh"
#include "row_tile.cuh"
#include "second_run.cuh"

constexpr int K_PLACES = 2, V_PLACES = STAGES - K_PLACES;
constexpr int Q_BYTES = tile_bytes(64);  // of one consumer's rows
constexpr int KV_BYTES = tile_bytes(TILE_N);
constexpr int K_STEPS = HEAD_DIM / 16, KEY_STEPS = TILE_N / 16;
constexpr int ALL_CONSUMERS = CONSUMERS * 128, SYNC = CONSUMERS + 1;  // the named barrier of them all
constexpr int INSPECTORS = 2;                                         // warps that look through K

// Shared memory, from a multiple of 1024 bytes: barriers and flags | Q | dO | the places of K | those of V.
constexpr int Q_PLACE = 1024, K_PLACE = Q_PLACE + 2 * CONSUMERS * Q_BYTES, V_PLACE = K_PLACE + K_PLACES * KV_BYTES;
static_assert(SHARED_BYTES == V_PLACE + V_PLACES * KV_BYTES + 1024 && THREADS == (CONSUMERS + 1) * 128);
static_assert((CONSUMERS == 2 || CONSUMERS == 3) && (V_PLACES == 1 || V_PLACES == 2) && TILE_M == CONSUMERS * 64);

struct Shared {
    unsigned base;

    __device__ __forceinline__ unsigned q(int consumer) const { return base + Q_PLACE + consumer * Q_BYTES; }
    __device__ __forceinline__ unsigned d_o(int consumer) const { return q(CONSUMERS + consumer); }
    __device__ __forceinline__ unsigned k(int slot) const { return base + K_PLACE + slot * KV_BYTES; }
    __device__ __forceinline__ unsigned v(int slot) const { return base + V_PLACE + slot * KV_BYTES; }
    // Barriers: a consumer's Q and dO filled; a place of K and one of V filled, and free again; K looked through for what hidden rows hold.
    __device__ __forceinline__ unsigned q_full(int consumer) const { return base + 8 * consumer; }
    __device__ __forceinline__ unsigned do_full(int consumer) const { return q_full(CONSUMERS + consumer); }
    __device__ __forceinline__ unsigned k_full(int slot) const { return q_full(2 * CONSUMERS + slot); }
    __device__ __forceinline__ unsigned k_empty(int slot) const { return k_full(K_PLACES + slot); }
    __device__ __forceinline__ unsigned inspected(int slot) const { return k_full(2 * K_PLACES + slot); }
    __device__ __forceinline__ unsigned v_full(int slot) const { return k_full(3 * K_PLACES + slot); }
    __device__ __forceinline__ unsigned v_empty(int slot) const { return v_full(V_PLACES + slot); }
    // A flag: whether a share of a place of K holds non-finite values.
    __device__ __forceinline__ unsigned dirty(int slot, int share) const { return base + 512 + 4 * (slot * INSPECTORS + share); }
};

// Where a key tile lies, and the parity of that place's barriers then.
__device__ __forceinline__ int k_slot(int key) { return key % K_PLACES; }
__device__ __forceinline__ int v_slot(int key) { return key % V_PLACES; }
__device__ __forceinline__ unsigned k_parity(int key) { return key / K_PLACES % 2; }
__device__ __forceinline__ unsigned v_parity(int key) { return key / V_PLACES % 2; }

// Producer: Q and one tile of keys after another, or dO and the values. The first consumer begins while the rows of the others are on their way.
template <bool VALUES>
__device__ __forceinline__ void load(const BackwardDQTensorParams& params, const Shared shared, const RowTile& rows) {
    const auto load_rows = [&](int consumer) {
        load_tile(VALUES ? shared.d_o(consumer) : shared.q(consumer), VALUES ? params.do_map : params.q_map,
                  VALUES ? shared.do_full(consumer) : shared.q_full(consumer), 64, rows.row0 + consumer * 64, rows.head, rows.batch);
    };
    load_rows(0);
    const int keys = rows.keys(params.plain.problem);
    for (int key = 0; key < keys; ++key) {
        const int slot = VALUES ? v_slot(key) : k_slot(key);
        mbarrier_wait(VALUES ? shared.v_empty(slot) : shared.k_empty(slot), (VALUES ? v_parity(key) : k_parity(key)) ^ 1);
        load_tile(VALUES ? shared.v(slot) : shared.k(slot), VALUES ? params.v_map : params.k_map, VALUES ? shared.v_full(slot) : shared.k_full(slot),
                  TILE_N, key * TILE_N, rows.kv_head, rows.batch);
        if (key > 0) continue;
#pragma unroll
        for (int consumer = 1; consumer < CONSUMERS; ++consumer) load_rows(consumer);
    }
}

// Producer: warps look through K for what a hidden key's dS = 0 would make NaN in dQ. Consumers do what it takes.
__device__ __forceinline__ void inspect_keys(const Problem& problem, const Shared shared, const RowTile& rows) {
    constexpr int bytes = KV_BYTES / INSPECTORS;
    const int keys = rows.keys(problem);
    for (int key = 0; key < keys; ++key) {
        const int slot = k_slot(key), share = thread_index() / 32 % INSPECTORS, lane = thread_index() % 32;
        mbarrier_wait(shared.k_full(slot), k_parity(key));
        const bool dirty = any_nonfinite(shared.k(slot) + share * bytes, bytes, lane);
        if (lane != 0) continue;
        store_shared(shared.dirty(slot, share), dirty);
        mbarrier_arrive(shared.inspected(slot));
    }
}

// A consumer warpgroup: 64 query rows.
struct Consumer {
    const BackwardDQTensorParams& params;
    const Problem& problem;
    const Shared shared;
    const RowTile rows;
    const SlopeTile slope;
    const int warp;  // of all consumers'; it owns 16 rows
    int key;         // the key tile now
    bool careful = false;

    using Scores = float[TILE_N / 2];     // S, then the slope of sigma; or dP, then dS
    using Operand = Register[TILE_N / 4];  // dS: four registers are the A operand for 16 keys
    float dq[HEAD_DIM / 2];
    float dbias;  // this thread's share
    Scores dp;
    Operand ds;

    __device__ __forceinline__ Consumer(const BackwardDQTensorParams& params, const Shared shared, const RowTile& rows, int warp)
        : params(params), problem(params.plain.problem), shared(shared), rows(rows), slope(params.plain.problem), warp(warp) {}

    // Who this is, read anew where it is used: few registers are free to keep it.
    static __device__ __forceinline__ int thread() { return thread_index() % 128; }
    static __device__ __forceinline__ int lane() { return thread_index() % 32; }
    __device__ __forceinline__ int consumer() const { return opaque(warp) / 4; }
    __device__ __forceinline__ int row0() const { return rows.row0 + consumer() * 64; }

    // Gives a place back, a lane per warp.
    __device__ __forceinline__ void release(unsigned empty) const {
        if (lane() == 0) mbarrier_arrive(empty);
    }

    // Starts own rows of Q or dO times a key tile's.
    __device__ __forceinline__ void multiply(Scores& scores, unsigned tile, unsigned passing) const {
        const Descriptor a = descriptor(opaque(tile), 16), b = descriptor(opaque(passing), 16);
        forget(scores);
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < K_STEPS; ++step) wgmma(scores, onward(a, panel_step(step, 64)), onward(b, panel_step(step, TILE_N)), step > 0);
        wgmma_commit();
    }

    // Starts S = Q K^T, dP = dO V^T of a key tile.
    __device__ __forceinline__ void multiply_keys(Scores& s, int of, int slot) {
        mbarrier_wait(shared.k_full(slot), k_parity(of));
        multiply(s, shared.q(consumer()), shared.k(slot));
    }
    __device__ __forceinline__ void multiply_values(int of, int slot) {
        mbarrier_wait(shared.v_full(slot), v_parity(of));
        multiply(dp, shared.d_o(consumer()), shared.v(slot));
    }

    // Starts dQ += dS K.
    __device__ __forceinline__ void accumulate(int slot) {
        const Descriptor k = descriptor(opaque(shared.k(slot)), TILE_N * PANEL_ROW);
        pin(dq);
        pin(ds);
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < KEY_STEPS; ++step) {
            const Register a[4] = {ds[4 * step], ds[4 * step + 1], ds[4 * step + 2], ds[4 * step + 3]};
            wgmma_rows(dq, a, onward(k, step * 16 * PANEL_ROW), 1);
        }
        wgmma_commit();
    }

    // Clears dS where the row does not see the key, or one of them lies beyond its end.
    __device__ __forceinline__ void hide() {
        const int row = row0() + warp % 4 * 16 + lane() / 4, column = key * TILE_N + 2 * (lane() & 3);
        int left[2];  // the keys that a row sees from this thread's first one on
#pragma unroll
        for (int i = 0; i < 2; ++i) left[i] = row + 8 * i < problem.seq_len_q ? visible_keys_end(row + 8 * i, problem) - column : 0;
#pragma unroll
        for (int i = 0; i < TILE_N / 2; ++i)
            if (i / 4 * 8 + i % 2 >= left[i / 2 % 2]) dp[i] = 0.0f;
    }

    // Clears K of the tile now of non-finite values, once all consumers have made S of it. spoil makes up for it.
    __device__ __forceinline__ void clean() {
        const int slot = k_slot(key);
        mbarrier_wait(shared.inspected(slot), k_parity(key));
        unsigned dirty = 0;
#pragma unroll
        for (int share = 0; share < INSPECTORS; ++share) dirty |= load_shared(shared.dirty(slot, share));
        if (dirty == 0) return;
        barrier_sync(SYNC, ALL_CONSUMERS);
        clear_nonfinite(shared.k(slot), KV_BYTES, warp * 32 + lane(), ALL_CONSUMERS);
        fence_async_shared();
        barrier_sync(SYNC, ALL_CONSUMERS);
    }

    // dS of the tile now from the slopes and dP. Only where it is not `plain` may the mask or an end cut the tile.
    __device__ __forceinline__ void differentiate(const Scores& slopes, bool plain) {
        if (CAUSAL && !plain && careful) clean();
#pragma unroll
        for (int i = 0; i < TILE_N / 2; ++i) dp[i] *= slopes[i];
        if (!plain) hide();
        if (params.plain.dbias_partial != nullptr) {
#pragma unroll
            for (int i = 0; i < TILE_N / 2; ++i) dbias += dp[i];
        }
#pragma unroll
        for (int i = 0; i < TILE_N / 4; ++i) ds[i] = pack(dp[2 * i], dp[2 * i + 1]);
    }

    // dS of the first tile.
    __device__ __forceinline__ void begin(Scores& s) {
        key = 0;
        dbias = 0.0f;
        mbarrier_wait(shared.q_full(consumer()), 0);
        multiply_keys(s, 0, 0);
        mbarrier_wait(shared.do_full(consumer()), 0);
        multiply_values(0, 0);
        wgmma_wait<0>();
        pin(s);
        pin(dp);
        release(shared.v_empty(0));
        slope.begin(s);
        slope.finish(s);
        differentiate(s, false);
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 2; ++i) asm volatile("mov.b32 %0, 0;" : "=f"(dq[i]));
    }

    // dQ of the tile now, whose K is in the slot, and dS of the one ahead.
    template <int SLOT>
    __device__ __forceinline__ void step(Scores& s, bool plain) {
        constexpr int ahead = SLOT ^ 1, v = ahead % V_PLACES;
        accumulate(SLOT);
        multiply_keys(s, key + 1, ahead);
        wgmma_wait<1>();
        pin(dq);
        pin(ds);
        release(shared.k_empty(SLOT));
        multiply_values(key + 1, v);
        wgmma_wait<1>();
        pin(s);
        slope.begin(s);
        pin(s);
        slope.finish(s);
        pin(s);
        wgmma_wait<0>();
        pin(dp);
        release(shared.v_empty(v));
        ++key;
        differentiate(s, plain);
    }

    // dQ of the last tile.
    template <int SLOT>
    __device__ __forceinline__ void end() {
        accumulate(SLOT);
        wgmma_wait<0>();
        pin(dq);
        pin(ds);
        release(shared.k_empty(SLOT));
    }

    // The key tiles that own rows see, which alternate between the places of K.
    __device__ __forceinline__ void sum() {
        const int keys = row0() < problem.seq_len_q ? rows.keys(row0() + 64, problem) : 1;
        const int plain = row0() + 64 > problem.seq_len_q || CAUSAL && careful ? 0 : rows.cut(problem);
        Scores s;
        begin(s);
        while (true) {
            for (int pairs = (plain - 1 - key) / 2; pairs > 0; --pairs) {
                step<0>(s, true);
                step<1>(s, true);
            }
            if (key + 1 == keys) return end<0>();
            step<0>(s, false);
            if (key + 1 == keys) return end<1>();
            step<1>(s, false);
        }
    }

    // Lets the key tiles pass that other rows of the block see and own rows do not.
    __device__ __forceinline__ void pass() {
        const int keys = rows.keys(problem);
        while (++key < keys) {
            mbarrier_wait(shared.k_full(k_slot(key)), k_parity(key));
            if (CAUSAL && careful) clean();
            release(shared.k_empty(k_slot(key)));
            mbarrier_wait(shared.v_full(v_slot(key)), v_parity(key));
            release(shared.v_empty(v_slot(key)));
        }
    }

    // Sends dQ off from the place of own rows of Q.
    __device__ __forceinline__ void store() const {
        const float factor = problem.scale * (1.0f / SlopeTile::FACTOR);
        const unsigned place = shared.q(consumer());
        const int row = warp % 4 * 16 + lane() % 16;
        barrier_sync(1 + consumer(), 128);  // no warp's products read Q any more
#pragma unroll
        for (int step = 0; step < K_STEPS; ++step) {
            Register r[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) r[i] = pack(dq[8 * step + 2 * i] * factor, dq[8 * step + 2 * i + 1] * factor);
            store_matrix_x4(place + swizzled(row, 2 * step + lane() / 16, 64), r[0], r[1], r[2], r[3]);
        }
        fence_async_shared();
        barrier_sync(1 + consumer(), 128);
        if (thread() == 0) store_tile(params.dq_map, place, 64, row0(), rows.head, rows.batch);
    }

    // The warp's partial sum of the bias gradient, in a fixed order.
    __device__ __forceinline__ void store_dbias() const {
        float sum = dbias;
#pragma unroll
        for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, distance);
        if (lane() == 0)
            params.plain.dbias_partial[(static_cast<long long>(rows.head) * problem.batch + rows.batch) * params.plain.dbias_tiles + rows.row0 / 16 + warp] =
                sum * (1.0f / SlopeTile::FACTOR);
    }

    // Gives own rows of dQ what cleaning kept from them: NaN in the columns where a key that they see is not finite.
    __device__ __forceinline__ void spoil() const {
        if (thread() == 0) tma_store_wait();
        barrier_sync(1 + consumer(), 128);
        const BackwardParams& plain = params.plain;
        const Rows k(plain.k, plain.k_strides, rows.batch, rows.kv_head), dq(plain.dq, plain.dq_strides, rows.batch, rows.head);
        for (int index = thread(); index < 64 * K_STEPS * 2; index += 128) {
            const int row = row0() + index / (K_STEPS * 2), column = index % (K_STEPS * 2) * 8;
            if (row >= problem.seq_len_q || column >= problem.head_dim) continue;
            uint4* const out = reinterpret_cast<uint4*>(const_cast<Element*>(dq.row(row)) + column);
            *out = spoil_nonfinite(*out, k.data + column, k.stride, 0, visible_keys_end(row, problem));
        }
    }

    // Whether some dQ is not finite, so that a hidden key may have spoilt it.
    __device__ __forceinline__ bool spoiled() const {
        float zero = 0.0f;
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 2; ++i) zero = fmaf(dq[i], 0.0f, zero);
        return zero != 0.0f;
    }

    __device__ __forceinline__ void finish() {
        store();
        if (params.plain.dbias_partial != nullptr) store_dbias();
        if (careful)
            spoil();
        else if (thread() == 0)
            tma_store_wait_read();  // before the block gives its shared memory up
    }
};

// All barriers, in their first phase; `again` where they have been in use.
__device__ __forceinline__ void begin_barriers(const Shared& shared, bool again) {
    for (int consumer = 0; consumer < CONSUMERS; ++consumer) {
        begin_barrier(shared.q_full(consumer), 1, again);
        begin_barrier(shared.do_full(consumer), 1, again);
    }
    for (int slot = 0; slot < K_PLACES; ++slot) {
        begin_barrier(shared.k_full(slot), 1, again);
        begin_barrier(shared.k_empty(slot), CONSUMERS * 4, again);
        begin_barrier(shared.inspected(slot), INSPECTORS, again);
    }
    for (int slot = 0; slot < V_PLACES; ++slot) {
        begin_barrier(shared.v_full(slot), 1, again);
        begin_barrier(shared.v_empty(slot), CONSUMERS * 4, again);
    }
    mbarrier_init_fence();
}

// The producer's warpgroup: a warp for Q and K, one for dO and V, and where hidden keys may not be finite two that look for them.
__device__ __forceinline__ void produce(const BackwardDQTensorParams& params, const Shared shared, const RowTile& rows, bool careful) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    if (warp == 0 && lane == 0) load<false>(params, shared, rows);
    if (warp == 1 && lane == 0) load<true>(params, shared, rows);
    if (warp >= 4 - INSPECTORS && careful) inspect_keys(params.plain.problem, shared, rows);
    __syncwarp();
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM) KERNEL_NAME(const __grid_constant__ BackwardDQTensorParams params) {
    extern __shared__ unsigned char memory[];
    const Shared shared{(shared_address(memory) + 1023) & ~1023u};
    const RowTile rows = RowTile::of_block(params.plain.problem);
    if (threadIdx.x == 0) begin_barriers(shared, false);
    __syncthreads();

    // A hidden key that is not finite spoils dQ, which shows in it. Then, and only then, all is done again with care.
    if (threadIdx.x < 128) {
        registers_shrink<CONSUMERS == 2 ? 24 : PRODUCER_REGISTERS>();
        bool careful = false;
        do produce(params, shared, rows, careful);
        while (CAUSAL && !careful && (careful = begin_again(shared, false)));
    } else {
        registers_grow<CONSUMERS == 2 ? 240 : CONSUMER_REGISTERS>();
        Consumer consumer(params, shared, rows, uniform(threadIdx.x / 32) - 4);
        do {
            consumer.sum();
            consumer.pass();
        } while (CAUSAL && !consumer.careful && (consumer.careful = begin_again(shared, consumer.spoiled())));
        consumer.finish();
    }
}
