// FlashSigmoid, Algorithm 2, for Hopper: the gradients of one tile of TILE_N keys of one key-value head, over all query tiles that see it.
//
//     S^T = K Q^T     P = sigma(S)                 dV += P^T dO
//     dP^T = V dO^T   dS = P (1 - P) dP            dK += dS^T Q         dQ += dS K
//
// Everything is transposed: each consumer warpgroup owns 64 keys, and P^T and dS^T leave one product in the registers that the next one reads.
// Only dS goes through shared memory as well, for dQ, which sums over the keys of all: each warpgroup makes its share of the columns and adds
// them to a float32 workspace. The first warpgroup feeds the others: one warp loads Q and dO into a ring. With ORDERED it also adds dQ, a tile
// at a time, behind the key tiles that come before: then the sums do not depend on when blocks run. The tensor cores always have a product
// queued; what a consumer does meanwhile:
//
//     exp(S)               dQ of the tile before the last, dK of the last
//     dQ, sent off         dK
//     P                    dP
//     dS, to the others    dV, then S of the tile ahead
#include "../common/plan.cuh"
#include "../common/dtype.cuh"
#include "../common/mask.cuh"
#include "../common/params.cuh"
#include "../common/power_of_two.cuh"
#include "../common/sigmoid_slope.cuh"
#include "../common/nonfinite.cuh"
#include "../common/dq_accumulator.cuh"
#include "../ptx/barrier.cuh"
#include "../ptx/handover.cuh"
#include "../ptx/opaque.cuh"
#include "../ptx/reduce.cuh"
#include "../ptx/reduce_vector.cuh"
#include "../ptx/shared_memory.cuh"
#include "../ptx/uniform.cuh"
#include "../ptx/wgmma.cuh"
#include "../ptx/wgmma_products.cuh"
#include "blocks.cuh"
#include "clean.cuh"
#include "copy.cuh"
#include "dq_turns.cuh"
#include "key_rows.cuh"
#include "query_walk.cuh"

constexpr int KV_BYTES = tile_bytes(TILE_N), Q_BYTES = tile_bytes(TILE_M);
constexpr int DS_TILES = 2, DS_BYTES = TILE_N * PANEL_ROW;  // dS^T: rows of TILE_M queries
constexpr int KEY_STEPS = TILE_N / 16;
// Of dQ, one consumer's columns. Where half of them would end within a panel, each takes a panel, of which some columns are none.
constexpr int DQ_COLUMNS = HEAD_DIM == 96 ? 64 : HEAD_DIM / CONSUMERS;
constexpr int DQ_PANEL_BYTES = HEAD_DIM > 64 ? TILE_N * PANEL_ROW : 2 * DQ_COLUMNS;  // from one consumer's columns of K to the next one's
constexpr bool DIRECT = HEAD_DIM <= 64 && !ORDERED;  // dQ goes to the workspace from registers, where there is little of it
constexpr int RESIDENT_STEPS = HEAD_DIM <= 64 ? K_STEPS : 0;
constexpr int ALL_CONSUMERS = CONSUMERS * 128, SYNC = 1;  // the named barrier of them all
constexpr int USERS = CONSUMERS * 4 + CAUSAL;             // warps that a slot's Q, or its dO, waits for: the consumers' and the one that looks through it

// Shared memory, from a multiple of 1024 bytes: K | V | the ring of Q and dO | two tiles of dS | dQ on its way | barriers and flags.
constexpr int V_OFFSET = KV_BYTES, RING = 2 * KV_BYTES, DS_OFFSET = RING + 2 * STAGES * Q_BYTES, DQ_OFFSET = DS_OFFSET + DS_TILES * DS_BYTES;
constexpr int DQ_TILES = HEAD_DIM <= 64 ? 4 : 1;  // with ORDERED, those that wait to be added
constexpr int DQ_BYTES = ORDERED ? TILE_M * HEAD_DIM * 4 : 16 * DQ_COLUMNS * 4;  // of a tile, or of one warp's sums
constexpr int BARRIERS = DQ_OFFSET + (ORDERED ? DQ_TILES : DIRECT ? 0 : CONSUMERS * 4) * DQ_BYTES;
static_assert(SHARED_BYTES == BARRIERS + 3072 && THREADS == (CONSUMERS + 1) * 128);
static_assert(TILE_N == CONSUMERS * 64 && CONSUMERS == 2 && STAGES >= 2 && STAGES <= 8 && HEAD_DIM <= 128);

struct Shared {
    unsigned base;

    __device__ __forceinline__ unsigned k() const { return base; }
    __device__ __forceinline__ unsigned v() const { return base + V_OFFSET; }
    __device__ __forceinline__ unsigned q(int slot) const { return base + RING + slot * Q_BYTES; }
    __device__ __forceinline__ unsigned d_o(int slot) const { return q(STAGES + slot); }
    __device__ __forceinline__ unsigned ds(int place) const { return base + DS_OFFSET + place * DS_BYTES; }
    __device__ __forceinline__ unsigned dq(int place) const { return base + DQ_OFFSET + place * DQ_BYTES; }
    // A consumer thread's share of the bias gradient of one head.
    __device__ __forceinline__ unsigned dbias(int thread) const { return base + BARRIERS + 1024 + 4 * thread; }
    // Barriers: K and V filled, and K looked through; a slot's Q and dO filled and free again, and looked through for what hidden queries hold.
    __device__ __forceinline__ unsigned kv_full(int i) const { return base + BARRIERS + 8 * i; }
    __device__ __forceinline__ unsigned keys_inspected() const { return kv_full(2); }
    __device__ __forceinline__ unsigned q_full(int slot) const { return kv_full(3 + slot); }
    __device__ __forceinline__ unsigned do_full(int slot) const { return q_full(STAGES + slot); }
    __device__ __forceinline__ unsigned q_empty(int slot) const { return q_full(2 * STAGES + slot); }
    __device__ __forceinline__ unsigned do_empty(int slot) const { return q_full(3 * STAGES + slot); }
    __device__ __forceinline__ unsigned inspected(int slot) const { return q_full(4 * STAGES + slot); }
    // And a tile of dS there, and read by every consumer.
    __device__ __forceinline__ unsigned ds_full(int place) const { return q_full(5 * STAGES + place); }
    __device__ __forceinline__ unsigned ds_empty(int place) const { return ds_full(DS_TILES + place); }
    // With ORDERED, a tile of dQ there, and read by the copy that adds it.
    __device__ __forceinline__ unsigned dq_full(int place) const { return ds_full(2 * DS_TILES + place); }
    __device__ __forceinline__ unsigned dq_empty(int place) const { return dq_full(DQ_TILES + place); }
    // Flags: whether a slot's Q, its dO, or K holds non-finite values, and whether any were cleared.
    __device__ __forceinline__ unsigned dirty_q(int slot) const { return base + BARRIERS + 512 + 4 * slot; }
    __device__ __forceinline__ unsigned dirty_do(int slot) const { return dirty_q(STAGES + slot); }
    __device__ __forceinline__ unsigned dirty_keys() const { return dirty_q(2 * STAGES); }
    __device__ __forceinline__ unsigned cleared() const { return dirty_q(2 * STAGES + 1); }
};

// Producer: K and V once, then Q and dO of one query tile after another.
__device__ __forceinline__ void load(const BackwardTensorParams& params, const Shared shared, const KeyTile& keys) {
    const Problem& problem = params.plain.problem;
    QueryWalk at(keys, problem);
    if (!at.valid(keys)) return;
    load_tile(shared.k(), params.k_map, shared.kv_full(0), TILE_N, keys.key0, keys.kv_head, keys.batch);
    bool first = true;
    for (; at.valid(keys); at = at.next(keys, problem), first = false) {
        const int slot = at.slot();
        mbarrier_wait(shared.q_empty(slot), at.parity() ^ 1);
        load_tile(shared.q(slot), params.q_map, shared.q_full(slot), TILE_M, at.tile * TILE_M, at.head, keys.batch);
        if (first) load_tile(shared.v(), params.v_map, shared.kv_full(1), TILE_N, keys.key0, keys.kv_head, keys.batch);
        mbarrier_wait(shared.do_empty(slot), at.parity() ^ 1);
        load_tile(shared.d_o(slot), params.do_map, shared.do_full(slot), TILE_M, at.tile * TILE_M, at.head, keys.batch);
    }
}

// Producer: a warp looks through Q, or dO, of the tiles that the mask cuts, since a hidden query's dS = 0 times an infinity is NaN in dK, and so
// with dV; another one through K, for dQ. Consumers do what it takes. The first two hold the other tiles too, so as not to fall behind.
__device__ __forceinline__ void inspect_queries(const Problem& problem, const Shared shared, const KeyTile& keys, bool d_o, int lane) {
    for (QueryWalk at(keys, problem); at.valid(keys); at = at.next(keys, problem)) {
        const int slot = at.slot();
        mbarrier_wait(d_o ? shared.do_full(slot) : shared.q_full(slot), at.parity());
        if (keys.masked(at.tile, problem)) {
            const bool dirty = any_nonfinite(d_o ? shared.d_o(slot) : shared.q(slot), Q_BYTES, lane);
            if (lane == 0) {
                store_shared(d_o ? shared.dirty_do(slot) : shared.dirty_q(slot), dirty);
                mbarrier_arrive(shared.inspected(slot));
            }
        }
        if (lane == 0) mbarrier_arrive(d_o ? shared.do_empty(slot) : shared.q_empty(slot));
    }
}
__device__ __forceinline__ void inspect_keys(const Problem& problem, const Shared shared, const KeyTile& keys, int lane) {
    if (!QueryWalk(keys, problem).valid(keys)) return;
    mbarrier_wait(shared.kv_full(0), 0);
    const bool dirty = any_nonfinite(shared.k(), KV_BYTES, lane);
    if (lane != 0) return;
    store_shared(shared.dirty_keys(), dirty);
    mbarrier_arrive(shared.keys_inspected());
}

// Producer, with ORDERED: one tile of dQ after another to the workspace. Of the key tiles that a query tile sees the last one stores, and the
// others wait for their turn to add: for a block of a lower index, which runs already. The next tile's turn is looked up while this one is added.
__device__ __forceinline__ void add_query_gradients(const BackwardParams& plain, const Shared shared, const KeyTile& keys) {
    constexpr int UNKNOWN = -1;
    const Problem& problem = plain.problem;
    const int tiles = KeyTile::last(problem);
    Turn<DQ_TILES> place;
    for (int head = keys.first_head(problem); head < keys.end_head; ++head) {
        int added = UNKNOWN;
#pragma unroll 1
        for (int tile = keys.first(problem); tile < tiles; ++tile) {
            const int index = (keys.batch * problem.heads_q + head) * tiles + tile, turn = keys.later(tile, problem);
            while (turn > 0 && added != turn) added = load_acquire(dq_turns(plain) + index);
            fence_async_global();
            mbarrier_wait(shared.dq_full(place.slot()), place.parity());
            float* const sums = plain.dq_accum + static_cast<long long>(index) * (TILE_M * HEAD_DIM);
            if (turn == 0)
                tma_store(sums, shared.dq(place.slot()), DQ_BYTES);
            else
                tma_add(sums, shared.dq(place.slot()), DQ_BYTES);
            tma_store_commit();
            added = tile + 1 < tiles ? load_acquire(dq_turns(plain) + index + 1) : UNKNOWN;
            tma_store_wait_read();
            mbarrier_arrive(shared.dq_empty(place.slot()));
            place.next();
            tma_store_wait();
            store_release(dq_turns(plain) + index, turn + 1);
        }
    }
}

// A consumer warpgroup.
struct Consumer : KeyRows<RESIDENT_STEPS> {
    const Shared shared;
    QueryWalk at, before;      // the query tile now, and the one whose dQ is owed
    Turn<DS_TILES> stored, summed;  // the places of their dS
    Turn<DQ_TILES> handed;          // with ORDERED, the place of dQ
    unsigned inspections = 0;  // the parities of the slots' inspected barriers

    using QueryGradient = float[DQ_COLUMNS / 2];
    Gradient dk, dv;
    Scores dp;
    Operand p, ds;
    OwnRows k, v;

    __device__ __forceinline__ Consumer(const BackwardTensorParams& params, const Shared shared, const KeyTile& keys, int warp)
        : KeyRows(params, keys, warp), shared(shared), at(keys, params.plain.problem), before(at) {
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 2; ++i) dk[i] = dv[i] = 0.0f;
        store_shared(shared.dbias(thread()), 0);
    }

    __device__ __forceinline__ int consumer() const { return warp / 4; }

    // Starts S^T = K Q^T, dP^T = V dO^T of a tile.
    __device__ __forceinline__ void multiply_keys(Scores& s, const QueryWalk& of) {
        mbarrier_wait(shared.q_full(of.slot()), of.parity());
        multiply(s, k, shared.k(), shared.q(of.slot()));
    }
    __device__ __forceinline__ void multiply_values(const QueryWalk& of) {
        mbarrier_wait(shared.do_full(of.slot()), of.parity());
        multiply(dp, v, shared.v(), shared.d_o(of.slot()));
    }

    // Starts own columns of dQ = dS K of the tile before, once all of dS is there.
    __device__ __forceinline__ void multiply_gradients(QueryGradient& dq) const {
        mbarrier_wait(shared.ds_full(summed.slot()), summed.parity());
        const Descriptor a = descriptor(opaque(shared.ds(summed.slot())), 16), b = descriptor(opaque(shared.k() + consumer() * DQ_PANEL_BYTES), TILE_N * PANEL_ROW);
        forget(dq);
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < KEY_STEPS; ++step) wgmma_transposed(dq, onward(a, step * 16 * PANEL_ROW), onward(b, step * 16 * PANEL_ROW), step > 0);
        wgmma_commit();
    }

    // P^T of a tile, and the slopes in the place of the exponentials.
    __device__ __forceinline__ void activate(Scores& s, const QueryWalk& of) {
        sigmoid_slopes(s, p);
        if (!keys.masked(of.tile, problem)) return;
        hide_probabilities(p, of.tile);
        if (CAUSAL) clean(of.slot());
    }

    // Clears a tile's Q and dO of non-finite values, once all have made scores of them. restore_cleared makes up for it.
    __device__ __forceinline__ void clean(int slot) {
        mbarrier_wait(shared.inspected(slot), inspections >> slot & 1);
        inspections ^= 1u << slot;
        const unsigned dirty = load_shared(shared.dirty_q(slot)) | load_shared(shared.dirty_do(slot));
        __syncwarp();  // lane 0 gives the slot back for them all, and the flags with it
        if (dirty == 0) return;
        wgmma_wait<0>();
        pin(dp);
        barrier_sync(SYNC, ALL_CONSUMERS);
        constexpr int share = Q_BYTES / (CONSUMERS * 4);
        clear_nonfinite(shared.q(slot) + warp * share, share, lane());
        clear_nonfinite(shared.d_o(slot) + warp * share, share, lane());
        if (thread() == 0) store_shared(shared.cleared(), 1);
        fence_async_shared();
        barrier_sync(SYNC, ALL_CONSUMERS);
    }

    __device__ __forceinline__ void add_dbias() const {
        const unsigned share = shared.dbias(thread());
        float sum = __uint_as_float(load_shared(share));
#pragma unroll
        for (int i = 0; i < TILE_M / 2; ++i) sum += dp[i];
        const bool ends = at.tile + 1 == KeyTile::last(problem);
        if (ends) store_dbias(at.head, sum);
        store_shared(share, ends ? 0 : __float_as_uint(sum));
    }

    // The warp's partial sum of a head's bias gradient, in a fixed order.
    __device__ __forceinline__ void store_dbias(int head, float sum) const {
#pragma unroll
        for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, distance);
        if (lane() == 0)
            params.plain.dbias_partial[(static_cast<long long>(head) * problem.batch + keys.batch) * params.plain.dbias_tiles + keys.key0 / 16 + warp] =
                sum * power_of_two(-DS_SCALE_LOG2);
    }

    // Puts own rows and columns of that tile's dQ in its place beside the others', for the warp that adds the tile.
    __device__ __forceinline__ void hand_over(const QueryGradient& dq) {
        const unsigned tile = shared.dq(handed.slot());
        mbarrier_wait(shared.dq_empty(handed.slot()), handed.parity() ^ 1);
        if (CAUSAL && keys.masked(before.tile, problem)) mbarrier_wait(shared.keys_inspected(), 0);
        if (CAUSAL && keys.masked(before.tile, problem) && load_shared(shared.dirty_keys()) != 0) {
            sum_visible([=](int offset, float sum) { store_shared(tile + 4 * offset, __float_as_uint(sum)); });
        } else {
            const int first = consumer() * DQ_COLUMNS;
            const unsigned own = tile + 4 * (dq_block_offset(warp % 4, first / 8) + lane() * 4);
#pragma unroll
            for (int n = 0; n < DQ_COLUMNS / 8; ++n) {
                const float four[4] = {dq[4 * n], dq[4 * n + 1], dq[4 * n + 2], dq[4 * n + 3]};
                if (DQ_COLUMNS * CONSUMERS == HEAD_DIM || first + n * 8 < HEAD_DIM) store_shared(own + n * 512, four);
            }
        }
        fence_async_shared();
        __syncwarp();
        release(shared.dq_full(handed.slot()));
        handed.next();
    }

    // Adds own rows and columns of that tile's dQ to the workspace, where they lie side by side.
    __device__ __forceinline__ void add_query_gradient(const QueryGradient& dq) const {
        float* const sums = dq_tile(params.plain.dq_accum, problem, keys.batch, before.head, before.tile);
        if (CAUSAL && keys.masked(before.tile, problem)) {
            mbarrier_wait(shared.keys_inspected(), 0);
            if (load_shared(shared.dirty_keys()) != 0)
                return sum_visible([=](int offset, float sum) { add_global(sums + offset, sum); });
        }
        const int first = consumer() * DQ_COLUMNS, columns = min(DQ_COLUMNS, HEAD_DIM - first);
        float* const own = sums + dq_block_offset(warp % 4, first / 8);
        const unsigned place = shared.dq(warp);
        if (!DIRECT) {
            if (lane() == 0) tma_store_wait_read();
            __syncwarp();
        }
#pragma unroll
        for (int n = 0; n < DQ_COLUMNS / 8; ++n) {
            const float four[4] = {dq[4 * n], dq[4 * n + 1], dq[4 * n + 2], dq[4 * n + 3]};
            const int offset = n * 128 + lane() * 4;
            if (DIRECT)
                add_global(own + offset, four);
            else
                store_shared(place + 4 * offset, four);
        }
        if (DIRECT) return;
        fence_async_shared();
        __syncwarp();
        if (lane() != 0) return;
        tma_add(own, place, 16 * columns * 4);
        tma_store_commit();
    }

    // The same of the visible keys alone, taken one by one with its place in the tile: where K is not finite, a hidden key's dS = 0 would spoil dQ.
    template <class Take>
    __device__ __forceinline__ void sum_visible(Take take) const {
        const unsigned ds = shared.ds(summed.slot());
#pragma unroll 1
        for (int index = thread() % 128; index < TILE_M * DQ_COLUMNS; index += 128) {
            const int query = index / DQ_COLUMNS, column = consumer() * DQ_COLUMNS + index % DQ_COLUMNS;
            const int end = visible_keys_end(before.tile * TILE_M + query, problem) - keys.key0;
            if (column >= HEAD_DIM) continue;
            float sum = 0.0f;
#pragma unroll 1
            for (int key = 0; key < min(end, TILE_N); ++key)
                sum = fmaf(load_element(ds, key, query), load_element(shared.k(), key, column), sum);
            take(dq_offset(query, column), sum);
        }
    }

    // An element of a tile of TILE_N rows.
    static __device__ __forceinline__ float load_element(unsigned tile, int row, int column) {
        const unsigned pair = load_shared(tile + swizzled(row, column / 8, TILE_N) + column % 8 / 2 * 4);
        return unpack((column % 2 ? pair >> 16 : pair) & 0xffffu);
    }

    // The first tile, before the first step.
    __device__ __forceinline__ void begin(Scores& s) {
        mbarrier_wait(shared.kv_full(0), 0);
        keep(k, shared.k());
        multiply_keys(s, at);
        mbarrier_wait(shared.kv_full(1), 0);
        keep(v, shared.v());
        multiply_values(at);
        wgmma_wait<1>();
        pin(s);
        exponentiate(s);
        activate(s, at);
    }

    // dV of the tile now, and dS^T from the slopes and dP^T: packed in registers, and in shared memory for dQ, which all consumers make.
    __device__ __forceinline__ void differentiate(const Scores& slopes) {
        accumulate(dv, p, shared.d_o(at.slot()));
        wgmma_wait<1>();
        pin(dp);
#pragma unroll
        for (int i = 0; i < TILE_M / 2; ++i) dp[i] *= slopes[i];
        if (keys.masked(at.tile, problem)) hide_gradients(dp, at.tile);
        if (params.plain.dbias_partial != nullptr) add_dbias();
        pack_scores(dp, ds);
        mbarrier_wait(shared.ds_empty(stored.slot()), stored.parity() ^ 1);
        const unsigned tile = shared.ds(stored.slot());
#pragma unroll
        for (int step = 0; step < Q_STEPS; ++step) store_matrices(tile, step, ds[4 * step], ds[4 * step + 1], ds[4 * step + 2], ds[4 * step + 3]);
        fence_async_shared();
        __syncwarp();
        release(shared.ds_full(stored.slot()));
        stored.next();
    }

    // Sees the dQ owed off.
    __device__ __forceinline__ void settle(QueryGradient& dq) {
        pin(dq);
        if (ORDERED)
            hand_over(dq);
        else
            add_query_gradient(dq);
        release(shared.ds_empty(summed.slot()));
        summed.next();
    }

    // What is left of the tile now but for its dQ, that of the tile before where it is owed, and P of the tile ahead, whose S takes the place of
    // this one's slopes. No consumer waits for what another one stored just now.
    template <bool OWED>
    __device__ __forceinline__ void step(Scores& s, const QueryWalk& ahead) {
        QueryGradient dq;
        wgmma_wait<0>();
        pin(dv);
        pin(p);
        release(shared.do_empty(at.slot()));
        multiply_keys(s, ahead);
        if (OWED) multiply_gradients(dq);
        accumulate(dk, ds, shared.q(at.slot()));
        wgmma_wait<OWED ? 2 : 1>();
        pin(s);
        exponentiate(s);
        if (OWED) {
            wgmma_wait<1>();
            settle(dq);
        }
        multiply_values(ahead);
        wgmma_wait<1>();
        pin(dk);
        pin(ds);
        release(shared.q_empty(at.slot()));
        activate(s, ahead);
        before = at;
        at = ahead;
    }

    // What is left of the last tile.
    template <bool OWED>
    __device__ __forceinline__ void finish() {
        QueryGradient dq;
        wgmma_wait<0>();
        pin(dv);
        pin(p);
        if (OWED) multiply_gradients(dq);
        accumulate(dk, ds, shared.q(at.slot()));
        wgmma_wait<0>();
        pin(dk);
        pin(ds);
        if (OWED) settle(dq);
        before = at;
        multiply_gradients(dq);
        wgmma_wait<0>();
        settle(dq);
    }

    // All query tiles.
    __device__ __forceinline__ void sum() {
        Scores s;
        begin(s);
        differentiate(s);
        QueryWalk ahead = at.next(keys, problem);
        if (!ahead.valid(keys)) return finish<false>();
        step<false>(s, ahead);
        while (true) {
            differentiate(s);
            ahead = at.next(keys, problem);
            if (!ahead.valid(keys)) return finish<true>();
            step<true>(s, ahead);
        }
    }

    __device__ __forceinline__ void run() {
        if (at.valid(keys))
            sum();
        else if (params.plain.dbias_partial != nullptr)
            for (int head = keys.first_head(problem); head < keys.end_head; ++head) store_dbias(head, 0.0f);
        store(dv, power_of_two(-P_SCALE_LOG2), shared.v(), params.dv_map);
        barrier_sync(SYNC, ALL_CONSUMERS);  // no products read K any more
        store(dk, problem.scale * power_of_two(-DS_SCALE_LOG2), shared.k(), params.dk_map);
        if (CAUSAL) {
            restore_cleared<false>(shared.cleared());
            restore_cleared<true>(shared.cleared());
        }
        if (lane() == 0) tma_store_wait_read();  // before the block gives its shared memory up
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM) KERNEL_NAME(const __grid_constant__ BackwardTensorParams params) {
    extern __shared__ unsigned char memory[];
    const Shared shared{(shared_address(memory) + 1023) & ~1023u};
    const KeyTile keys = ORDERED ? KeyTile::in_order(params.plain.problem) : KeyTile::of_block(params.plain.problem);
    const int warp = uniform(threadIdx.x / 32), lane = threadIdx.x % 32;
    if (threadIdx.x == 0) {
        mbarrier_init(shared.kv_full(0), 1);
        mbarrier_init(shared.kv_full(1), 1);
        mbarrier_init(shared.keys_inspected(), 1);
        for (int i = 0; i < STAGES; ++i) {
            mbarrier_init(shared.q_full(i), 1);
            mbarrier_init(shared.do_full(i), 1);
            mbarrier_init(shared.q_empty(i), USERS);
            mbarrier_init(shared.do_empty(i), USERS);
            mbarrier_init(shared.inspected(i), 2);
        }
        for (int i = 0; i < DS_TILES; ++i) {
            mbarrier_init(shared.ds_full(i), CONSUMERS * 4);
            mbarrier_init(shared.ds_empty(i), CONSUMERS * 4);
        }
        for (int i = 0; ORDERED && i < DQ_TILES; ++i) {
            mbarrier_init(shared.dq_full(i), CONSUMERS * 4);
            mbarrier_init(shared.dq_empty(i), 1);
        }
        if (CAUSAL) store_shared(shared.cleared(), 0);
        mbarrier_init_fence();
    }
    __syncthreads();

    if (warp < 4) {
        registers_shrink<24>();
        if (warp == 0 && lane == 0) load(params, shared, keys);
        if (CAUSAL && (warp == 1 || warp == 2)) inspect_queries(params.plain.problem, shared, keys, warp == 2, lane);
        if (CAUSAL && warp == 3) inspect_keys(params.plain.problem, shared, keys, lane);
        if (ORDERED && warp == 3 && lane == 0) add_query_gradients(params.plain, shared, keys);
    } else {
        registers_grow<240>();
        Consumer(params, shared, keys, warp - 4).run();
    }
}
