// FlashSigmoid, Algorithm 2, for Hopper: dK and dV of one tile of 64 keys of one key-value head, over all query tiles that see it, where the head
// dim is so large that either takes a warpgroup's registers.
//
//     S^T = K Q^T     P = sigma(S)                 dV += P^T dO         the first consumer warpgroup
//     dP^T = V dO^T   dS = P (1 - P) dP            dK += dS^T Q         the second
//
// Everything is transposed, so that P^T and dS^T leave one product in the registers that the next one reads. What the second warpgroup needs of the
// first, the slope P (1 - P), goes through shared memory in float32, two tiles of it, so that the first runs ahead. A third warpgroup feeds both:
// one warp loads K and a ring of Q, another V and a ring of dO. Either consumer makes scores from one ring and sums over the other: it starts
// the scores of the tile ahead before the sum of this one, and makes weights of them meanwhile.
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

// Of K and of V, the columns that are the products' first steps stay in registers, so that shared memory is read less. Where they came in, the last
// places of the ring then are.
constexpr int RESIDENT_STEPS = HEAD_DIM == 192 ? 12 : 8, RESIDENT_PANELS = RESIDENT_STEPS / 4;
constexpr int DO_STAGES = HEAD_DIM == 192 ? STAGES : STAGES - 1;  // places for dO; STAGES are Q's
constexpr bool DO_LENDS = DO_STAGES == STAGES;                    // a place to V's; else that of Q is large enough for both
constexpr int USERS = 8;  // warps that a place in the ring waits for

// Shared memory, from a multiple of 1024 bytes: the ring of Q | that of dO | the other columns of K | of V | slopes | barriers and flags.
constexpr int Q_BYTES = tile_bytes(TILE_M), RESIDENT_BYTES = RESIDENT_PANELS * TILE_N * PANEL_ROW, KEPT_BYTES = tile_bytes(TILE_N) - RESIDENT_BYTES;
constexpr int SLOPE_BYTES = TILE_N * TILE_M * 4, EXCHANGES = 2;
constexpr int KEPT = (STAGES + DO_STAGES) * Q_BYTES, SLOPES = KEPT + 2 * KEPT_BYTES, BARRIERS = SLOPES + EXCHANGES * SLOPE_BYTES;
static_assert(SHARED_BYTES == BARRIERS + 2048 && THREADS == 3 * 128);
static_assert(TILE_N == 64 && STAGES >= 2 && STAGES <= 8 && DO_STAGES >= 2);
static_assert(RESIDENT_STEPS % 4 == 0 && (DO_LENDS ? 1 : 2) * RESIDENT_BYTES <= Q_BYTES);

// The places of Q, or of dO, of several query tiles. LENDS: the last of them begins as one in use.
template <int SLOTS_, bool LENDS_>
struct Ring {
    static constexpr int SLOTS = SLOTS_;
    static constexpr bool LENDS = LENDS_;
    using Walk = RingWalk<SLOTS, true>;  // the tiles that the causal mask cuts last
    unsigned places, barriers;  // where they begin

    __device__ __forceinline__ unsigned place(int slot) const { return places + slot * Q_BYTES; }
    // Barriers: a place filled, and free again; for tiles that the mask cuts, filled and not yet looked through for what hidden queries hold, and
    // cleared of it.
    __device__ __forceinline__ unsigned full(int slot) const { return barriers + 8 * slot; }
    __device__ __forceinline__ unsigned empty(int slot) const { return full(SLOTS + slot); }
    __device__ __forceinline__ unsigned landed(int slot) const { return full(2 * SLOTS + slot); }
    __device__ __forceinline__ unsigned clean(int slot) const { return full(3 * SLOTS + slot); }
    // Flags: whether a place holds non-finite values, and whether any were cleared.
    __device__ __forceinline__ unsigned dirty(int slot) const { return full(4 * SLOTS + slot); }
    __device__ __forceinline__ unsigned cleared() const { return full(5 * SLOTS); }

    __device__ __forceinline__ void initialize() const {
        for (int i = 0; i < SLOTS; ++i) {
            mbarrier_init(full(i), 1);
            mbarrier_init(empty(i), USERS);
            mbarrier_init(landed(i), 1);
            mbarrier_init(clean(i), 4);
        }
        if (CAUSAL) store_shared(cleared(), 0);
    }
};
constexpr int RING_BARRIERS = 8 * (5 * STAGES + 1);
using QueryRing = Ring<STAGES, true>;
using GradientRing = Ring<DO_STAGES, DO_LENDS>;

struct Shared {
    unsigned base;

    __device__ __forceinline__ QueryRing q() const { return {base, base + BARRIERS}; }
    __device__ __forceinline__ GradientRing d_o() const { return {base + STAGES * Q_BYTES, base + BARRIERS + RING_BARRIERS}; }
    __device__ __forceinline__ unsigned k() const { return base + KEPT; }
    __device__ __forceinline__ unsigned v() const { return base + KEPT + KEPT_BYTES; }
    __device__ __forceinline__ unsigned resident_k() const { return q().place(STAGES - 1); }
    __device__ __forceinline__ unsigned resident_v() const { return DO_LENDS ? d_o().place(DO_STAGES - 1) : resident_k() + RESIDENT_BYTES; }
    __device__ __forceinline__ unsigned slopes(int place) const { return base + SLOPES + place * SLOPE_BYTES; }
    // Barriers: K and V filled; slopes filled, and free again.
    __device__ __forceinline__ unsigned k_full() const { return base + BARRIERS + 2 * RING_BARRIERS; }
    __device__ __forceinline__ unsigned v_full() const { return k_full() + 8; }
    __device__ __forceinline__ unsigned slopes_full(int place) const { return k_full() + 8 * (2 + place); }
    __device__ __forceinline__ unsigned slopes_empty(int place) const { return slopes_full(EXCHANGES + place); }
};
static_assert(2 * RING_BARRIERS + 8 * (2 + 2 * EXCHANGES) <= 1024);

// Producer: K or V once, then Q or dO of one query tile after another. Those that the mask cuts are looked through before they count as filled.
template <class Ring>
__device__ __forceinline__ void load(const Problem& problem, const Ring ring, const KeyTile& keys, unsigned resident, unsigned kept,
                                     unsigned keys_full, const TensorMap& keys_map, const TensorMap& queries_map) {
    typename Ring::Walk at(keys, problem);
    if (!at.valid(keys)) return;
    mbarrier_arrive_expect(keys_full, tile_bytes(TILE_N));
    load_panels<0, RESIDENT_PANELS>(resident, keys_map, keys_full, TILE_N, keys.key0, keys.kv_head, keys.batch);
    load_panels<RESIDENT_PANELS, PANELS>(kept, keys_map, keys_full, TILE_N, keys.key0, keys.kv_head, keys.batch);
    for (; at.valid(keys); at = at.next(keys, problem)) {
        const int slot = at.slot();
        const bool lent = Ring::LENDS && slot == Ring::SLOTS - 1;
        mbarrier_wait(ring.empty(slot), at.parity() ^ !lent);
        const unsigned full = CAUSAL && keys.masked(at.tile, problem) ? ring.landed(slot) : ring.full(slot);
        load_tile(ring.place(slot), queries_map, full, TILE_M, at.tile * TILE_M, at.head, keys.batch);
    }
}

// Producer: a warp looks through Q, or dO, of the tiles that the mask cuts, since a hidden query's dS = 0 times an infinity is NaN in dK, and so
// with dV. Consumers do what it takes.
template <class Ring>
__device__ __forceinline__ void inspect(const Problem& problem, const Ring ring, const KeyTile& keys, int lane) {
    unsigned landings = 0;  // of each place, the parity of its barrier
    for (typename Ring::Walk at(keys, problem); at.valid(keys); at = at.next(keys, problem)) {
        if (!keys.masked(at.tile, problem)) continue;
        const int slot = at.slot();
        mbarrier_wait(ring.landed(slot), landings >> slot & 1);
        landings ^= 1u << slot;
        const bool dirty = any_nonfinite(ring.place(slot), Q_BYTES, lane);
        if (lane != 0) continue;
        store_shared(ring.dirty(slot), dirty);
        mbarrier_arrive(ring.full(slot));
    }
}

// A consumer warpgroup: it makes scores from the tiles in one ring and sums over those in the other. Self makes weights of scores: in
// begin_weights() as far as it goes while a sum reads the weights before, in finish_weights() the rest.
template <class Self, class Scored, class Summed>
struct Consumer : KeyRows<RESIDENT_STEPS> {
    const BackwardDKVTensorParams& params;
    const Shared shared;
    const KeyTile keys;
    const Scored scored;
    const Summed summed;
    typename Scored::Walk at;              // the query tile of the latest scores
    Turn<Summed::SLOTS> sum_turn;          // the place of the next sum
    Turn<EXCHANGES> exchange;              // and of the next slopes
    unsigned cleans = 0;                   // of each place, the parity of the barrier that only tiles pass which the mask cuts
    Gradient gradient;
    Scores scores;
    Operand weights;
    OwnRows own;

    __device__ __forceinline__ Consumer(const BackwardDKVTensorParams& params, const Shared shared, const Scored scored, const Summed summed,
                                        const KeyTile& keys, int warp)
        : KeyRows(params.plain, warp), params(params), shared(shared), keys(keys), scored(scored), summed(summed), at(keys, params.plain.problem) {
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 2; ++i) gradient[i] = 0.0f;
    }

    // Whether the mask may cut the tile. Where a step is `plain`, which is known at compile time, it does not.
    __device__ __forceinline__ bool masked(bool plain) const { return !plain && keys.masked(at.tile, problem); }

    // Takes own rows of K or V into registers.
    __device__ __forceinline__ void take_rows(unsigned tile, unsigned full) {
        mbarrier_wait(full, 0);
        keep(own, tile);
    }

    // Gives the places back that were lent to K and V. A product has read own rows: their loads are complete, not only under way.
    __device__ __forceinline__ void release_lent() {
        fence_async_shared();
        __syncwarp();
        release(shared.q().empty(STAGES - 1));
        if (DO_LENDS) release(shared.d_o().empty(DO_STAGES - 1));
    }

    // Gives the place of the scores back, cleared of non-finite values where the mask cuts the tile. restore_cleared makes up for it.
    __device__ __forceinline__ void release_scored(bool plain) {
        const int slot = at.slot();
        if (CAUSAL && masked(plain)) {
            const unsigned dirty = load_shared(scored.dirty(slot));
            __syncwarp();  // lane 0 gives the place back for them all, and the flag with it
            if (dirty != 0) {
                join();  // the other warps' products have read it too
                clear_nonfinite(scored.place(slot) + warp * (Q_BYTES / 4), Q_BYTES / 4, lane());
                if (thread() % 128 == 0) store_shared(scored.cleared(), 1);
                fence_async_shared();
                __syncwarp();
            }
            release(scored.clean(slot));
        }
        release(scored.empty(slot));
    }

    // Waits for what is summed over next.
    __device__ __forceinline__ void await_summed(bool plain) {
        const int slot = sum_turn.slot();
        mbarrier_wait(summed.full(slot), sum_turn.parity());
        if (!CAUSAL || !masked(plain)) return;
        mbarrier_wait(summed.clean(slot), cleans >> slot & 1);
        cleans ^= 1u << slot;
    }

    // Where this thread's slopes lie, four of them at every 128 * 16 bytes: for the thread of the same index in the other warpgroup.
    __device__ __forceinline__ unsigned own_slopes() const { return shared.slopes(exchange.slot()) + thread() % 128 * 16; }

    // All query tiles; `tile` are the rows of K or V that stay in shared memory.
    __device__ __forceinline__ void sum(unsigned tile) {
        Self& self = static_cast<Self&>(*this);
        const auto start_scores = [&] {
            mbarrier_wait(scored.full(at.slot()), at.parity());
            multiply(scores, own, tile, scored.place(at.slot()));
        };
        const auto start_sum = [&] { accumulate(gradient, weights, summed.place(sum_turn.slot())); };
        const auto finish_sum = [&] {
            wgmma_wait<0>();
            pin(gradient);
            pin(weights);
        };
        const auto step = [&](bool plain) {
            start_scores();
            start_sum();
            wgmma_wait<1>();
            pin(scores);
            self.begin_weights(plain);
            finish_sum();
            release(summed.empty(sum_turn.slot()));
            sum_turn.next();
            self.finish_weights(plain);
            if (CAUSAL) await_summed(plain);
        };
        start_scores();
        wgmma_wait<0>();
        pin(scores);
        release_lent();
        self.begin_weights(false);
        self.finish_weights(false);
        if (CAUSAL) await_summed(false);
        while (true) {
            if (!CAUSAL) await_summed(false);  // here or at the step's end, for the same instructions: up to 5 % either way
            at = at.next(keys, problem);
            if (!at.valid(keys)) break;
            if (CAUSAL && !masked(false))
                step(true);
            else
                step(false);
        }
        start_sum();
        finish_sum();
    }

    // Sends the gradient off from a place in the ring, once neither consumer reads that any more.
    __device__ __forceinline__ void send(float factor, unsigned place, const TensorMap& map) const {
        barrier_sync(1, 256);
#pragma unroll
        for (int step = 0; step < K_STEPS; ++step) {
            Register r[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) r[i] = pack(gradient[8 * step + 2 * i] * factor, gradient[8 * step + 2 * i + 1] * factor);
            store_matrices(place, step, r[0], r[1], r[2], r[3]);
        }
        fence_async_shared();
        join();
        if (thread() % 128 == 0) store_tile(map, place + first_row() * PANEL_ROW, TILE_N, keys.key0 + first_row(), keys.kv_head, keys.batch);
    }

    // Whether some of what is summed over was cleared, once the gradient is in global memory.
    __device__ __forceinline__ bool was_cleared() const {
        if (thread() % 128 == 0) tma_store_wait();
        join();
        return load_shared(summed.cleared()) != 0;
    }
};

// Makes P and dV.
struct ValueConsumer : Consumer<ValueConsumer, QueryRing, GradientRing> {
    __device__ __forceinline__ ValueConsumer(const BackwardDKVTensorParams& params, const Shared shared, const KeyTile& keys, int warp)
        : Consumer(params, shared, shared.q(), shared.d_o(), keys, warp) {}

    __device__ __forceinline__ void begin_weights(bool) { exponentiate(scores); }

    // P^T, and the slopes for the other warpgroup.
    __device__ __forceinline__ void finish_weights(bool plain) {
        sigmoid_slopes(scores, weights);
        release_scored(plain);
        mbarrier_wait(shared.slopes_empty(exchange.slot()), exchange.parity() ^ 1);
        const unsigned slopes = own_slopes();
#pragma unroll
        for (int i = 0; i < TILE_M / 2; i += 4) {
            const float four[4] = {scores[i], scores[i + 1], scores[i + 2], scores[i + 3]};
            store_shared(slopes + i / 4 * 128 * 16, four);
        }
        __syncwarp();
        release(shared.slopes_full(exchange.slot()));
        exchange.next();
        if (masked(plain)) hide_probabilities(weights, keys, at.tile);
    }

    __device__ __forceinline__ void run() {
        if (at.valid(keys)) {
            take_rows(shared.resident_k(), shared.k_full());
            sum(shared.k());
        }
        send(power_of_two(-P_SCALE_LOG2), scored.place(0), params.dv_map);
        if (CAUSAL && was_cleared()) restore_cleared<false>(keys);
        if (lane() == 0) tma_store_wait_read();  // before the block gives its shared memory up
    }
};

// Makes dS and dK.
struct KeyConsumer : Consumer<KeyConsumer, GradientRing, QueryRing> {
    __device__ __forceinline__ KeyConsumer(const BackwardDKVTensorParams& params, const Shared shared, const KeyTile& keys, int warp)
        : Consumer(params, shared, shared.d_o(), shared.q(), keys, warp) {}

    // dS^T in the place of dP^T.
    __device__ __forceinline__ void begin_weights(bool plain) {
        release_scored(plain);
        mbarrier_wait(shared.slopes_full(exchange.slot()), exchange.parity());
        const unsigned slopes = own_slopes();
#pragma unroll
        for (int i = 0; i < TILE_M / 2; i += 4) {
            float four[4];
            load_shared(four, slopes + i / 4 * 128 * 16);
#pragma unroll
            for (int j = 0; j < 4; ++j) scores[i + j] *= four[j];
        }
        pin(scores);  // the loads are complete, not only under way
        __syncwarp();
        release(shared.slopes_empty(exchange.slot()));
        exchange.next();
        if (masked(plain)) hide_gradients(scores, keys, at.tile);
    }

    __device__ __forceinline__ void finish_weights(bool) { pack_scores(scores, weights); }

    __device__ __forceinline__ void run() {
        if (at.valid(keys)) {
            take_rows(shared.resident_v(), shared.v_full());
            sum(shared.v());
        }
        send(problem.scale * power_of_two(-DS_SCALE_LOG2), scored.place(0), params.dk_map);
        if (CAUSAL && was_cleared()) restore_cleared<true>(keys);
        if (lane() == 0) tma_store_wait_read();  // before the block gives its shared memory up
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM) KERNEL_NAME(const __grid_constant__ BackwardDKVTensorParams params) {
    extern __shared__ unsigned char memory[];
    const Shared shared{(shared_address(memory) + 1023) & ~1023u};
    const KeyTile keys = KeyTile::at(blockIdx.x, params.plain.problem).in_warp();
    const int warp = uniform(threadIdx.x / 32), lane = threadIdx.x % 32;
    if (threadIdx.x == 0) {
        shared.q().initialize();
        shared.d_o().initialize();
        mbarrier_init(shared.k_full(), 1);
        mbarrier_init(shared.v_full(), 1);
        for (int i = 0; i < EXCHANGES; ++i) {
            mbarrier_init(shared.slopes_full(i), 4);
            mbarrier_init(shared.slopes_empty(i), 4);
        }
        mbarrier_init_fence();
    }
    __syncthreads();

    const Problem& problem = params.plain.problem;
    if (warp < 4) {
        registers_shrink<24>();
        if (warp == 0 && lane == 0) load(problem, shared.q(), keys, shared.resident_k(), shared.k(), shared.k_full(), params.k_map, params.q_map);
        if (warp == 1 && lane == 0) load(problem, shared.d_o(), keys, shared.resident_v(), shared.v(), shared.v_full(), params.v_map, params.do_map);
        if (CAUSAL && warp == 2) inspect(problem, shared.q(), keys, lane);
        if (CAUSAL && warp == 3) inspect(problem, shared.d_o(), keys, lane);
    } else {
        registers_grow<240>();
        if (warp < 8)
            ValueConsumer(params, shared, keys, warp - 4).run();
        else
            KeyConsumer(params, shared, keys, warp - 8).run();
    }
}
