// FlashSigmoid, Algorithm 2, for Hopper: the gradients of tiles of TILE_N keys of one key-value head, over all query tiles that see them.
//
//     S^T = K Q^T     P = sigma(S)                 dV += P^T dO
//     dP^T = V dO^T   dS = P (1 - P) dP            dK += dS^T Q         dQ += dS K
//
// Everything is transposed: each consumer warpgroup owns 64 keys, and P^T and dS^T leave one product in the registers that the next one reads.
// Only dS goes through shared memory as well, for dQ, which sums over the keys of all: each warpgroup makes its share of the columns and adds
// them to a float32 workspace. The first warpgroup feeds the others: one warp loads Q and dO into a ring. With ORDERED it also adds dQ, a tile
// at a time, behind the key tiles that come before: then the sums do not depend on when blocks run. A block stays on its SM and takes one key
// tile after another, of which the first loads go beside the end of the one before. The tensor cores always have a product queued; what a
// consumer does meanwhile:
//
//     exp(S)               dQ of the tile before the last, dK of the last
//     dQ, put away         dK
//     dQ, sent off; P      dP
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
#include "dq_workspace.cuh"
#include "key_rows.cuh"
#include "query_walk.cuh"

constexpr int KV_BYTES = tile_bytes(TILE_N), Q_BYTES = tile_bytes(TILE_M);
constexpr int DS_TILES = 2, DS_BYTES = TILE_N * PANEL_ROW;  // dS^T: rows of TILE_M queries
constexpr int KEY_STEPS = TILE_N / 16;
// Of dQ, one consumer's columns. Where half of them would end within a panel, each takes a panel, of which some columns are none.
constexpr int DQ_COLUMNS = HEAD_DIM == 96 ? 64 : HEAD_DIM / CONSUMERS;
constexpr int DQ_PANEL_BYTES = HEAD_DIM > 64 ? TILE_N * PANEL_ROW : 2 * DQ_COLUMNS;  // from one consumer's columns of K to the next one's
constexpr bool DIRECT = HEAD_DIM <= 64 && !ORDERED;  // dQ goes to the workspace from registers, where there is little of it
// Whether dP of the tile ahead begins before dQ is sent off, whose fence waits for dQ's stores; and whether it is looked up beforehand that the tile
// ahead is there, which takes some 50 cycles. By measurement: above head dim 64 the compiler's schedule, or its registers, may lose more by either.
constexpr bool SEND_LATE = HEAD_DIM <= 64 || !(ORDERED || CAUSAL), LOOK_AHEAD = HEAD_DIM <= 64 || (CAUSAL && !ORDERED);
// Query tiles that the mask does not cut have a loop of their own, at the edge of which no product runs. At head dim 128 it takes more registers than
// there are under the causal mask; at 32 it was not measured.
constexpr bool WHOLE_LOOP = DIRECT && HEAD_DIM == 64;
constexpr int RESIDENT_STEPS = HEAD_DIM <= 64 ? K_STEPS : 0;
constexpr int ALL_CONSUMERS = CONSUMERS * 128, SYNC = 1;  // the named barrier of them all
constexpr int USERS = CONSUMERS * 4 + CAUSAL;             // warps that a slot's Q, or its dO, waits for: the consumers' and the one that looks through it
constexpr int READERS = 32 * (CONSUMERS * 4 + (CAUSAL ? 3 : ORDERED));  // threads that a task is told to

// Shared memory, from a multiple of 1024 bytes: K | V | the ring of Q and dO | two tiles of dS | dQ on its way, or dK and dV | barriers and flags.
constexpr int V_OFFSET = KV_BYTES, RING = 2 * KV_BYTES, DS_OFFSET = RING + 2 * STAGES * Q_BYTES, DQ_OFFSET = DS_OFFSET + DS_TILES * DS_BYTES;
constexpr int DQ_TILES = HEAD_DIM <= 64 ? 4 : 1;  // with ORDERED, those that wait to be added
constexpr int OWN_BYTES = 16 * HEAD_DIM * 2;      // a warp's rows of dK or dV on their way
constexpr int DQ_BYTES = ORDERED ? TILE_M * HEAD_DIM * 4 : DIRECT ? OWN_BYTES : 16 * DQ_COLUMNS * 4;  // of a tile, or of one warp's sums
constexpr int BARRIERS = DQ_OFFSET + (ORDERED ? DQ_TILES : CONSUMERS * 4) * DQ_BYTES;
static_assert(ORDERED ? CONSUMERS * 4 * OWN_BYTES <= DS_TILES * DS_BYTES : OWN_BYTES <= DQ_BYTES);
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
    // Barriers: K and V filled and free again, and K looked through; a task told, and its place free again.
    __device__ __forceinline__ unsigned kv_full(int i) const { return base + BARRIERS + 8 * i; }
    __device__ __forceinline__ unsigned kv_empty() const { return kv_full(2); }
    __device__ __forceinline__ unsigned keys_inspected() const { return kv_full(3); }
    __device__ __forceinline__ unsigned task_full() const { return kv_full(4); }
    __device__ __forceinline__ unsigned task_empty() const { return kv_full(5); }
    // A slot's Q and dO filled and free again, and looked through for what hidden queries hold.
    __device__ __forceinline__ unsigned q_full(int slot) const { return kv_full(6 + slot); }
    __device__ __forceinline__ unsigned do_full(int slot) const { return q_full(STAGES + slot); }
    __device__ __forceinline__ unsigned q_empty(int slot) const { return q_full(2 * STAGES + slot); }
    __device__ __forceinline__ unsigned do_empty(int slot) const { return q_full(3 * STAGES + slot); }
    __device__ __forceinline__ unsigned inspected(int slot) const { return q_full(4 * STAGES + slot); }
    // A tile of dS there, and read by every consumer.
    __device__ __forceinline__ unsigned ds_full(int place) const { return q_full(5 * STAGES + place); }
    __device__ __forceinline__ unsigned ds_empty(int place) const { return ds_full(DS_TILES + place); }
    // With ORDERED, a tile of dQ there, and read by the copy that adds it.
    __device__ __forceinline__ unsigned dq_full(int place) const { return ds_full(2 * DS_TILES + place); }
    __device__ __forceinline__ unsigned dq_empty(int place) const { return dq_full(DQ_TILES + place); }
    __device__ __forceinline__ unsigned task() const { return base + BARRIERS + 496; }
    // Flags: whether a slot's Q, its dO, or K holds non-finite values, and in which task, counted from 1, some were cleared last.
    __device__ __forceinline__ unsigned dirty_q(int slot) const { return base + BARRIERS + 512 + 4 * slot; }
    __device__ __forceinline__ unsigned dirty_do(int slot) const { return dirty_q(STAGES + slot); }
    __device__ __forceinline__ unsigned dirty_keys() const { return dirty_q(2 * STAGES); }
    __device__ __forceinline__ unsigned cleared() const { return dirty_q(2 * STAGES + 1); }
};

// Producer: takes a task for the block, of no heads where none is left. Blocks take them in order as they come to them, so that those that a
// task may wait for are under way.
__device__ __forceinline__ KeyTile take_task(const BackwardParams& plain) {
    const Problem& problem = plain.problem;
    const int index = fetch_add(tasks_taken(plain), 1);
    if (index >= KeyTile::count(problem)) return {};
    return ORDERED ? KeyTile::in_order(index, problem) : KeyTile::at(index, problem);
}

// What the block works on next; all lanes of each warp but the loading one call it.
__device__ __forceinline__ KeyTile next_task(const Shared shared, unsigned round) {
    mbarrier_wait(shared.task_full(), round & 1);
    const uint4 task = load_shared_16(shared.task());
    mbarrier_arrive(shared.task_empty());
    return KeyTile{static_cast<int>(task.x), static_cast<int>(task.y), static_cast<int>(task.z), static_cast<int>(task.w)}.in_warp();
}

// Producer: takes the block's tasks; for each K and V once, and Q and dO of one query tile after another.
__device__ __forceinline__ void load(const BackwardTensorParams& params, const Shared shared) {
    const Problem& problem = params.plain.problem;
    Turn<STAGES> place;
    for (unsigned round = 0;; ++round) {
        const KeyTile keys = take_task(params.plain);
        mbarrier_wait(shared.task_empty(), round & 1 ^ 1);
        store_shared_16(shared.task(), make_uint4(keys.batch, keys.kv_head, keys.key0, keys.end_head));
        mbarrier_arrive(shared.task_full());
        if (!keys.exists()) return;
        bool first = true;
        QueryWalk at(keys, problem, place);
        for (; at.valid(keys); at = at.next(keys, problem), first = false) {
            const int slot = at.slot();
            mbarrier_wait(shared.q_empty(slot), at.parity() ^ 1);
            load_tile(shared.q(slot), params.q_map, shared.q_full(slot), TILE_M, at.tile * TILE_M, at.head, keys.batch);
            mbarrier_wait(shared.do_empty(slot), at.parity() ^ 1);
            load_tile(shared.d_o(slot), params.do_map, shared.do_full(slot), TILE_M, at.tile * TILE_M, at.head, keys.batch);
            if (!first) continue;
            mbarrier_wait(shared.kv_empty(), round & 1 ^ 1);
            load_tile(shared.k(), params.k_map, shared.kv_full(0), TILE_N, keys.key0, keys.kv_head, keys.batch);
            load_tile(shared.v(), params.v_map, shared.kv_full(1), TILE_N, keys.key0, keys.kv_head, keys.batch);
        }
        place = at.turn;
    }
}

// Producer: a warp looks through Q, or dO, of the tiles that the mask cuts, since a hidden query's dS = 0 times an infinity is NaN in dK, and so
// with dV; another one through K, for dQ. Consumers do what it takes. The first two hold the other tiles too, so as not to fall behind.
template <bool D_O>
__device__ __forceinline__ void inspect_queries(const Problem& problem, const Shared shared, const KeyTile& keys, int lane, Turn<STAGES>& place) {
    QueryWalk at(keys, problem, place);
    for (; at.valid(keys); at = at.next(keys, problem)) {
        const int slot = at.slot();
        mbarrier_wait(D_O ? shared.do_full(slot) : shared.q_full(slot), at.parity());
        if (keys.masked(at.tile, problem)) {
            const bool dirty = any_nonfinite(D_O ? shared.d_o(slot) : shared.q(slot), Q_BYTES, lane);
            if (lane == 0) {
                store_shared(D_O ? shared.dirty_do(slot) : shared.dirty_q(slot), dirty);
                mbarrier_arrive(shared.inspected(slot));
            }
        }
        if (lane == 0) mbarrier_arrive(D_O ? shared.do_empty(slot) : shared.q_empty(slot));
    }
    place = at.turn;
}
__device__ __forceinline__ void inspect_keys(const Problem& problem, const Shared shared, const KeyTile& keys, int lane, unsigned round) {
    if (!QueryWalk(keys, problem).valid(keys)) return;
    mbarrier_wait(shared.kv_full(0), round & 1);
    const bool dirty = any_nonfinite(shared.k(), KV_BYTES, lane);
    if (lane != 0) return;
    store_shared(shared.dirty_keys(), dirty);
    mbarrier_arrive(shared.keys_inspected());
}

// Producer, with ORDERED: one tile of dQ after another to the workspace. Of the key tiles that a query tile sees the last one stores, and the
// others wait for their turn to add: for a task of a lower index, which is under way. The next tile's turn is looked up while this one is added.
__device__ __forceinline__ void add_query_gradients(const BackwardParams& plain, const Shared shared, const KeyTile& keys, Turn<DQ_TILES>& place) {
    constexpr unsigned UNKNOWN = ~0u;
    const Problem& problem = plain.problem;
    const int tiles = KeyTile::last(problem);
    for (int head = keys.first_head(problem); head < keys.end_head; ++head) {
        unsigned added = UNKNOWN;
#pragma unroll 1
        for (int tile = keys.first(problem); tile < tiles; ++tile) {
            const int index = (keys.batch * problem.heads_q + head) * tiles + tile;
            const unsigned turn = keys.later(tile, problem);
            unsigned* const turns = dq_turns(plain) + index;
            while (turn > 0 && added != turn) added = load_acquire(turns);
            fence_async_global();
            mbarrier_wait(shared.dq_full(place.slot()), place.parity());
            float* const sums = plain.dq_accum + static_cast<long long>(opaque(index)) * (TILE_M * HEAD_DIM);
            if (turn == 0)
                tma_store(sums, shared.dq(place.slot()), DQ_BYTES);
            else
                tma_add(sums, shared.dq(place.slot()), DQ_BYTES);
            tma_store_commit();
            added = tile + 1 < tiles ? load_acquire(turns + 1) : UNKNOWN;
            tma_store_wait_read();
            mbarrier_arrive(shared.dq_empty(place.slot()));
            place.next();
            tma_store_wait();
            store_release(turns, turn + 1);
        }
    }
}

// The producer's warps but the one that loads.
template <int WARP>
__device__ __forceinline__ void assist(const BackwardParams& plain, const Shared shared, int lane) {
    const Problem& problem = plain.problem;
    Turn<STAGES> place;
    Turn<DQ_TILES> dq_place;
    for (unsigned round = 0;; ++round) {
        const KeyTile keys = next_task(shared, round);
        if (!keys.exists()) return;
        if (CAUSAL && WARP == 3) inspect_keys(problem, shared, keys, lane, round);
        if (WARP != 3) inspect_queries<WARP == 2>(problem, shared, keys, lane, place);
        if (ORDERED && WARP == 3 && lane == 0) add_query_gradients(plain, shared, keys, dq_place);
        __syncwarp();
    }
}

// A consumer warpgroup.
struct Consumer : KeyRows<RESIDENT_STEPS> {
    const Shared shared;
    KeyTile keys = {};
    QueryWalk at, before;           // the query tile now, and the one whose dQ is owed
    Turn<DS_TILES> stored, summed;  // the places of their dS
    Turn<DQ_TILES> handed;          // with ORDERED, the place of dQ
    unsigned inspections = 0;       // the parities of the slots' inspected barriers
    unsigned round = 0;             // tasks before this one
    bool there = false;             // whether Q and dO of the tile ahead were, where that was looked up

    using QueryGradient = float[DQ_COLUMNS / 2];
    Gradient dk, dv;
    Scores dp;
    Operand p, ds;
    OwnRows k, v;

    __device__ __forceinline__ Consumer(const BackwardParams& plain, const Shared shared, int warp)
        : KeyRows(plain, warp), shared(shared), at(keys, plain.problem), before(at) {
        store_shared(shared.dbias(thread()), 0);
    }

    __device__ __forceinline__ int consumer() const { return warp / 4; }
    // Whether the mask does not cut a tile. A step may know it at compile time: is_whole.
    __device__ __forceinline__ bool whole(const QueryWalk& of) const { return !keys.masked(of.tile, problem); }

    // Looks whether a tile's Q and dO are there.
    __device__ __forceinline__ void look(const QueryWalk& tile) {
        there = LOOK_AHEAD && mbarrier_test(shared.q_full(tile.slot()), tile.parity()) && mbarrier_test(shared.do_full(tile.slot()), tile.parity());
    }

    // Waits for a tile's Q, and with LOOK_AHEAD for its dO.
    __device__ __forceinline__ void await(const QueryWalk& tile) {
        if (there) return;
        mbarrier_wait(shared.q_full(tile.slot()), tile.parity());
        if (LOOK_AHEAD) mbarrier_wait(shared.do_full(tile.slot()), tile.parity());
    }

    // Starts S^T = K Q^T, dP^T = V dO^T of a tile.
    __device__ __forceinline__ void multiply_keys(Scores& s, const QueryWalk& of) {
        multiply(s, k, shared.k(), shared.q(of.slot()));
    }
    __device__ __forceinline__ void multiply_values(const QueryWalk& of) {
        if (!LOOK_AHEAD) mbarrier_wait(shared.do_full(of.slot()), of.parity());
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
    __device__ __forceinline__ void activate(Scores& s, const QueryWalk& of, bool is_whole) {
        sigmoid_slopes(s, p);
        if (is_whole || whole(of)) return;
        hide_probabilities(p, keys, of.tile);
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
        if (thread() == 0) store_shared(shared.cleared(), round + 1);
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
            plain.dbias_partial[(static_cast<long long>(head) * problem.batch + keys.batch) * plain.dbias_tiles + keys.key0 / 16 + warp] =
                sum * power_of_two(-DS_SCALE_LOG2);
    }

    // The lane, where dQ is seen off.
    __device__ __forceinline__ int settling_lane() const { return DIRECT ? lane() : kept_lane(); }

    // Own columns of dQ, from this one on; and where in a tile of it own rows and columns lie, side by side.
    __device__ __forceinline__ int first_column() const { return consumer() * DQ_COLUMNS; }
    __device__ __forceinline__ int own_offset() const { return dq_block_offset(warp % 4, first_column() / 8); }

    // The workspace's place for those of the dQ owed.
    __device__ __forceinline__ float* own_sums() const {
        return dq_tile(plain.dq_accum, problem, keys.batch, before.head, before.tile) + own_offset();
    }

    // Whether K is finite, as far as the hidden keys of the dQ owed matter.
    __device__ __forceinline__ bool keys_are_finite(bool is_whole) const {
        if (!CAUSAL || is_whole || whole(before)) return true;
        mbarrier_wait(shared.keys_inspected(), round & 1);
        return load_shared(shared.dirty_keys()) == 0;
    }

    // Brings own rows and columns of the dQ owed to where they are sent from. False where they are in the workspace already.
    __device__ __forceinline__ bool put(const QueryGradient& dq, bool is_whole) {
        const unsigned place = ORDERED ? shared.dq(handed.slot()) + 4 * own_offset() : shared.dq(warp);
        const int self = settling_lane();
        if (ORDERED) {
            mbarrier_wait(shared.dq_empty(handed.slot()), handed.parity() ^ 1);
        } else if (!DIRECT) {
            if (self == 0) tma_store_wait_read();
            __syncwarp();
        }
        const bool finite = keys_are_finite(is_whole);
        if (!finite) {
            float* const sums = own_sums();
            sum_visible([=](int offset, float sum) {
                if (ORDERED)
                    store_shared(place + 4 * offset, __float_as_uint(sum));
                else
                    add_global(sums + offset, sum);
            });
        } else if (!DIRECT) {
#pragma unroll
            for (int n = 0; n < DQ_COLUMNS / 8; ++n) {
                const float four[4] = {dq[4 * n], dq[4 * n + 1], dq[4 * n + 2], dq[4 * n + 3]};
                if (DQ_COLUMNS * CONSUMERS == HEAD_DIM || first_column() + n * 8 < HEAD_DIM) store_shared(place + n * 512 + 16 * self, four);
            }
        }
        return ORDERED || finite;
    }

    // Gives back the place of the dS that the dQ owed was made of, for which every consumer waits before it stores another.
    __device__ __forceinline__ void let_go() {
        release(shared.ds_empty(summed.slot()));
        summed.next();
    }

    // Sends own rows and columns on: with ORDERED to the warp that adds the tile, else into the workspace.
    __device__ __forceinline__ void send(const QueryGradient& dq) {
        const int self = settling_lane();
        if (DIRECT) {
            float* const own = own_sums() + 4 * self;
#pragma unroll
            for (int n = 0; n < DQ_COLUMNS / 8; ++n) {
                const float four[4] = {dq[4 * n], dq[4 * n + 1], dq[4 * n + 2], dq[4 * n + 3]};
                add_global(own + n * 128, four);
            }
            return;
        }
        fence_async_shared();
        __syncwarp();
        if (ORDERED) {
            release(shared.dq_full(handed.slot()));
            handed.next();
        } else if (self == 0) {
            tma_add(own_sums(), shared.dq(warp), 16 * min(DQ_COLUMNS, HEAD_DIM - first_column()) * 4);
            tma_store_commit();
        }
    }

    // Sees the dQ owed off.
    __device__ __forceinline__ void settle(QueryGradient& dq) {
        pin(dq);
        if (put(dq, false)) send(dq);
        let_go();
    }

    // The same rows and columns by the visible keys alone, one element after another with its place among them: where K is not finite, a hidden key's
    // dS = 0 would spoil dQ.
    template <class Take>
    __device__ __forceinline__ void sum_visible(Take take) const {
        const unsigned ds = shared.ds(summed.slot());
#pragma unroll 1
        for (int index = settling_lane(); index < 16 * DQ_COLUMNS; index += 32) {
            const int query = warp % 4 * 16 + index / DQ_COLUMNS, column = first_column() + index % DQ_COLUMNS;
            const int end = visible_keys_end(before.tile * TILE_M + query, problem) - keys.key0;
            if (column >= HEAD_DIM) continue;
            float sum = 0.0f;
#pragma unroll 1
            for (int key = 0; key < min(end, TILE_N); ++key)
                sum = fmaf(load_element(ds, key, query), load_element(shared.k(), key, column), sum);
            take(dq_offset(index / DQ_COLUMNS, index % DQ_COLUMNS), sum);
        }
    }

    // An element of a tile of TILE_N rows.
    static __device__ __forceinline__ float load_element(unsigned tile, int row, int column) {
        const unsigned pair = load_shared(tile + swizzled(row, column / 8, TILE_N) + column % 8 / 2 * 4);
        return unpack((column % 2 ? pair >> 16 : pair) & 0xffffu);
    }

    // The first tile, before the first step.
    __device__ __forceinline__ void begin(Scores& s) {
        mbarrier_wait(shared.kv_full(0), round & 1);
        keep(k, shared.k());
        await(at);
        multiply_keys(s, at);
        mbarrier_wait(shared.kv_full(1), round & 1);
        keep(v, shared.v());
        multiply_values(at);
        wgmma_wait<1>();
        pin(s);
        exponentiate(s);
        activate(s, at, false);
        if (WHOLE_LOOP) await_scores();
    }

    // dP^T of the tile now.
    template <int LATER = 0>
    __device__ __forceinline__ void await_scores() {
        wgmma_wait<LATER>();
        pin(dp);
    }

    // dV of the tile now, and dS^T from the slopes and dP^T: packed in registers, and in shared memory for dQ, which all consumers make.
    __device__ __forceinline__ void differentiate(const Scores& slopes, const QueryWalk& ahead, bool is_whole) {
        if (DIRECT) look(ahead);  // by measurement: else behind the product's start
        accumulate(dv, p, shared.d_o(at.slot()));
        if (!DIRECT) look(ahead);
        if (!WHOLE_LOOP) await_scores<1>();
#pragma unroll
        for (int i = 0; i < TILE_M / 2; ++i) dp[i] *= slopes[i];
        if (!is_whole && !whole(at)) hide_gradients(dp, keys, at.tile);
        if (plain.dbias_partial != nullptr) add_dbias();
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

    // What is left of the tile now but for its dQ, that of the tile before where it is owed, and P of the tile ahead, whose S takes the place of
    // this one's slopes. No consumer waits for what another one stored just now.
    template <bool OWED>
    __device__ __forceinline__ void step(Scores& s, const QueryWalk& ahead, bool is_whole) {
        QueryGradient dq;
        wgmma_wait<0>();
        pin(dv);
        pin(p);
        release(shared.do_empty(at.slot()));
        await(ahead);
        multiply_keys(s, ahead);
        if (OWED) multiply_gradients(dq);
        accumulate(dk, ds, shared.q(at.slot()));
        wgmma_wait<OWED ? 2 : 1>();
        pin(s);
        exponentiate(s);
        bool sends = false;
        if (OWED) {
            wgmma_wait<1>();
            pin(dq);
            sends = put(dq, is_whole);
            let_go();
        }
        if (!SEND_LATE && sends) send(dq);
        multiply_values(ahead);
        if (SEND_LATE && sends) send(dq);
        wgmma_wait<1>();
        pin(dk);
        pin(ds);
        release(shared.q_empty(at.slot()));
        activate(s, ahead, is_whole);
        if (WHOLE_LOOP) await_scores();
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
        there = false;
        begin(s);
        QueryWalk ahead = at.next(keys, problem);
        differentiate(s, ahead, false);
        if (!ahead.valid(keys)) return finish<false>();
        step<false>(s, ahead, false);
        while (true) {
            if (WHOLE_LOOP && whole(before) && whole(at)) {
                for (ahead = at.next(keys, problem); ahead.valid(keys) && whole(ahead); ahead = at.next(keys, problem)) {
                    differentiate(s, ahead, true);
                    step<true>(s, ahead, true);
                }
            }
            ahead = at.next(keys, problem);
            differentiate(s, ahead, false);
            if (!ahead.valid(keys)) return finish<true>();
            step<true>(s, ahead, false);
        }
    }

    // A chunk of 8 columns of one of the warp's rows of dK or dV: in its place for dQ, or where the warps have none, in that of dS.
    __device__ __forceinline__ unsigned own_chunk(int row, int chunk) const {
        constexpr int spread = HEAD_DIM % 64 == 0 ? 7 : 3;
        const unsigned own = ORDERED ? shared.ds(0) + warp * OWN_BYTES : shared.dq(warp);
        return own + row * (HEAD_DIM * 2) + ((chunk ^ row & spread) << 4);
    }

    // Stores the warp's rows of dK or dV.
    __device__ __forceinline__ void store(const Gradient& gradient, float factor, void* tensor, const Strides& strides) const {
#pragma unroll
        for (int step = 0; step < K_STEPS; ++step) {
            Register r[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) r[i] = pack(gradient[8 * step + 2 * i] * factor, gradient[8 * step + 2 * i + 1] * factor);
            store_matrix_x4(own_chunk(lane() % 16, 2 * step + lane() / 16), r[0], r[1], r[2], r[3]);
        }
        __syncwarp();
        const Rows rows(tensor, strides, keys.batch, keys.kv_head);
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 16; ++i) {
            const int index = i * 32 + lane(), row = index / (HEAD_DIM / 8), chunk = index % (HEAD_DIM / 8), key = keys.key0 + warp * 16 + row;
            if (key < problem.seq_len_k && chunk * 8 < problem.head_dim)
                *reinterpret_cast<uint4*>(const_cast<Element*>(rows.row(key)) + chunk * 8) = load_shared_16(own_chunk(row, chunk));
        }
        __syncwarp();
    }

    // dK and dV of all query tiles.
    __device__ __forceinline__ void differentiate_tile() {
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 2; ++i) dk[i] = dv[i] = 0.0f;
        at = QueryWalk(keys, problem, at.turn);
        if (at.valid(keys)) {
            sum();
            fence_async_shared();  // copies come to where this lane read K and V
            __syncwarp();
            release(shared.kv_empty());
            release(shared.q_empty(at.slot()));
            release(shared.do_empty(at.slot()));
            at.turn.next();
        } else if (plain.dbias_partial != nullptr) {
            for (int head = keys.first_head(problem); head < keys.end_head; ++head) store_dbias(head, 0.0f);
        }
        if (ORDERED) {
            barrier_sync(SYNC, ALL_CONSUMERS);  // no products read dS any more
        } else if (!DIRECT) {
            if (lane() == 0) tma_store_wait_read();
            __syncwarp();
        }
        store(dv, power_of_two(-P_SCALE_LOG2), plain.dv, plain.dv_strides);
        store(dk, problem.scale * power_of_two(-DS_SCALE_LOG2), plain.dk, plain.dk_strides);
        if (ORDERED) barrier_sync(SYNC, ALL_CONSUMERS);  // the place of dS is free again
        if (!CAUSAL) return;
        join();
        if (load_shared(shared.cleared()) != round + 1) return;
        restore_cleared<false>(keys);
        restore_cleared<true>(keys);
    }

    __device__ __forceinline__ void run() {
        for (;; ++round) {
            keys = next_task(shared, round);
            if (!keys.exists()) break;
            differentiate_tile();
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM) KERNEL_NAME(const __grid_constant__ BackwardTensorParams params) {
    extern __shared__ unsigned char memory[];
    const Shared shared{(shared_address(memory) + 1023) & ~1023u};
    const int warp = uniform(threadIdx.x / 32), lane = threadIdx.x % 32;
    if (threadIdx.x == 0) {
        mbarrier_init(shared.kv_full(0), 1);
        mbarrier_init(shared.kv_full(1), 1);
        mbarrier_init(shared.kv_empty(), CONSUMERS * 4);
        mbarrier_init(shared.keys_inspected(), 1);
        mbarrier_init(shared.task_full(), 1);
        mbarrier_init(shared.task_empty(), READERS);
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
        if (warp == 0 && lane == 0) load(params, shared);
        if (CAUSAL && warp == 1) assist<1>(params.plain, shared, lane);
        if (CAUSAL && warp == 2) assist<2>(params.plain, shared, lane);
        if ((CAUSAL || ORDERED) && warp == 3) assist<3>(params.plain, shared, lane);
    } else {
        registers_grow<240>();
        Consumer(params.plain, shared, warp - 4).run();
    }
}
