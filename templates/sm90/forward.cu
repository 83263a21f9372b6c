// FlashSigmoid, Algorithm 1, for Hopper: O = sigma(scale * Q K^T + bias) V.
//
// A block stays on its SM and takes one tile of TILE_M query rows after another. The warps of its first warpgroup load keys, values and Q; each
// other warpgroup consumes them for 64 rows. Sigmoid needs no row statistics, so key tiles are independent work, and so are query tiles: with
// two Q tiles in shared memory a consumer's pipeline runs on from one to the next. Its step:
//
//     S = Q K(next)^T   |   O += P V(now)   beside each other on the tensor cores
//     P(next) = sigma(S)                    while O's product still runs
//
// Where there are too few query tiles for the chip, the blocks of a cluster SPLIT the keys of one. A sum over keys needs no rescaling: what they
// have of O is added up.
#include "../common/plan.cuh"
#include "../common/dtype.cuh"
#include "../common/mask.cuh"
#include "../common/params.cuh"
#include "../common/sigmoid_tile.cuh"
#include "../common/nonfinite.cuh"
#include "../ptx/barrier.cuh"
#include "../ptx/cluster.cuh"
#include "../ptx/opaque.cuh"
#include "../ptx/shared_memory.cuh"
#include "../ptx/wgmma.cuh"
#include "../ptx/wgmma_products.cuh"
#include "blocks.cuh"
#include "clean.cuh"
#include "copy.cuh"
#include "second_run.cuh"
#include "walk.cuh"

constexpr int KV_BYTES = tile_bytes(TILE_N);
constexpr int Q_BYTES = tile_bytes(64);  // of one consumer's rows
constexpr int K_STEPS = HEAD_DIM / 16, V_STEPS = TILE_N / 16;
constexpr bool CONTINUOUS = Q_TILES > 1;  // the pipeline runs on from one query tile to the next

// Shared memory, from a multiple of 1024 bytes: barriers and what Q is of | Q | the ring of K | the ring of V.
constexpr int Q_PLACE = 1024, K_RING = Q_PLACE + Q_TILES * CONSUMERS * Q_BYTES, V_RING = K_RING + STAGES * KV_BYTES;
static_assert(SHARED_BYTES == V_RING + STAGES * KV_BYTES + 1024 && THREADS == (CONSUMERS + 1) * 128 && STAGES == 2);
static_assert(Q_TILES * CONSUMERS <= 8);
static_assert(!SPLIT || (CONSUMERS == 1 && Q_TILES == 1 && 64 * HEAD_DIM * 4 <= 2 * STAGES * KV_BYTES));

struct Shared {
    unsigned base;

    __device__ __forceinline__ unsigned q(int tile, int consumer) const { return base + Q_PLACE + (tile * CONSUMERS + consumer) * Q_BYTES; }
    __device__ __forceinline__ unsigned k(int slot) const { return base + K_RING + slot * KV_BYTES; }
    __device__ __forceinline__ unsigned v(int slot) const { return base + V_RING + slot * KV_BYTES; }
    // Barriers of each: filled, and free again; and of values that are there but not yet cleared of what hidden rows hold.
    __device__ __forceinline__ unsigned k_full(int slot) const { return base + 8 * slot; }
    __device__ __forceinline__ unsigned k_empty(int slot) const { return k_full(STAGES + slot); }
    __device__ __forceinline__ unsigned v_full(int slot) const { return k_full(2 * STAGES + slot); }
    __device__ __forceinline__ unsigned v_empty(int slot) const { return k_full(3 * STAGES + slot); }
    __device__ __forceinline__ unsigned v_landed(int slot) const { return k_full(4 * STAGES + slot); }
    __device__ __forceinline__ unsigned q_full(int tile, int consumer) const { return k_full(5 * STAGES + tile * CONSUMERS + consumer); }
    __device__ __forceinline__ unsigned o_full(int tile, int consumer) const { return q_full(Q_TILES + tile, consumer); }
    // What Q is of: its first row, where its key tiles end, head and batch.
    __device__ __forceinline__ unsigned tile(int tile, int consumer) const { return base + 512 + 16 * (tile * CONSUMERS + consumer); }
    // How many of the key tiles the mask may cut, the last ones.
    __device__ __forceinline__ unsigned cut(int tile, int consumer) const { return base + 640 + 4 * (tile * CONSUMERS + consumer); }
    // Where SPLIT: this block's part of O, in the place of the rings, and whether it came with care.
    __device__ __forceinline__ unsigned part() const { return base + K_RING; }
    __device__ __forceinline__ unsigned careful() const { return base + 768; }
};

// Producer: the key tiles' keys, or their values. Where `careful`, values go past the cleaning warp first.
template <bool VALUES>
__device__ __forceinline__ void load_ring(const ForwardTensorParams& params, const Shared shared, bool careful) {
    const Problem& problem = params.plain.problem;
    Turn<STAGES> turn;
    for (Walk at(problem); at.valid(); at.next(problem)) {
        const int slot = turn.slot();
        mbarrier_wait(VALUES ? shared.v_empty(slot) : shared.k_empty(slot), turn.parity() ^ 1);
        const unsigned full = !VALUES ? shared.k_full(slot) : careful ? shared.v_landed(slot) : shared.v_full(slot);
        load_tile(VALUES ? shared.v(slot) : shared.k(slot), VALUES ? params.v_map : params.k_map, full, TILE_N, at.key * TILE_N, at.kv_head, at.batch);
        turn.next();
    }
}

// Producer: Q of the block's only tile, and what it is of, a negative row where the block has no keys. Its map has heads before the sequence.
__device__ __forceinline__ void load_query(const ForwardTensorParams& params, const Shared shared) {
    const Walk at(params.plain.problem);
    store_shared_16(shared.tile(0, 0), make_uint4(at.valid() ? at.row0 : -1, at.keys, at.head, at.batch));
    store_shared(shared.cut(0, 0), at.cut_tiles(params.plain.problem));
    load_tile(shared.q(0, 0), params.q_map, shared.q_full(0, 0), 64, at.head, at.row0, at.batch);
}

// Producer: each consumer's rows of Q, and what they are of, a negative row behind the last; in the same places O, which it sends off.
__device__ __forceinline__ void load_queries(const ForwardTensorParams& params, const Shared shared) {
    Turn<Q_TILES> turn;
    Walk at(params.plain.problem);
    int left = Q_TILES;  // places behind the last query tile that still take an O in
    for (int entered = 0; left > 0; ++entered, turn.next()) {
        const bool more = at.valid();
#pragma unroll 1
        for (int consumer = 0; consumer < CONSUMERS; ++consumer) {
            const unsigned place = shared.q(turn.slot(), consumer), tile = shared.tile(turn.slot(), consumer), full = shared.q_full(turn.slot(), consumer);
            if (entered >= Q_TILES) {
                mbarrier_wait(shared.o_full(turn.slot(), consumer), turn.parity() ^ 1);
                const uint4 of = load_shared_16(tile);
                store_tile(params.o_map, place, 64, of.x, of.z, of.w);
                tma_store_wait_read();
            }
            if (left < Q_TILES) continue;
            store_shared_16(tile, make_uint4(more ? at.row0 + consumer * 64 : -1, at.keys, at.head, at.batch));
            store_shared(shared.cut(turn.slot(), consumer), at.cut_tiles(params.plain.problem));
            if (more)
                load_tile(place, params.q_map, full, 64, at.row0 + consumer * 64, at.head, at.batch);
            else
                mbarrier_arrive(full);
        }
        if (more)
            at.next_tile(params.plain.problem);
        else
            --left;
    }
    tma_store_wait();
}

// Producer: passes values on, cleared of non-finite ones where the mask cuts the tile, since 0 * inf is NaN.
__device__ __forceinline__ void clean_values(const Problem& problem, const Shared shared, int lane) {
    Turn<STAGES> turn;
    for (Walk at(problem); at.valid(); at.next(problem)) {
        const int slot = turn.slot();
        mbarrier_wait(shared.v_landed(slot), turn.parity());
        if (at.cut(problem)) clear_nonfinite(shared.v(slot), KV_BYTES, lane);
        fence_async_shared();
        __syncwarp();
        if (lane == 0) mbarrier_arrive(shared.v_full(slot));
        turn.next();
    }
}

// A consumer warpgroup: 64 query rows at a time.
struct Consumer {
    const ForwardTensorParams& params;
    const Shared shared;
    const SigmoidTile sigmoid;
    struct {                 // in one register
        unsigned parity : 1;    // of the slots of V; K is a slot ahead
        unsigned begins : 1;    // the next product makes O anew
        unsigned spoiled : 1;   // some O was not finite
        unsigned careful : 1;   // the second run
        unsigned turn : 2;      // of S = Q K^T among the Q tiles
        int whole : 26;         // key tiles that every row of the block's sees whole, from that of S on; 0 and less behind them
    } is = {};

    using Scores = float[TILE_N / 2];
    using Probabilities = Register[TILE_N / 4];  // four registers are the A operand for 16 keys
    float o[HEAD_DIM / 2];

    __device__ __forceinline__ Consumer(const ForwardTensorParams& params, const Shared shared)
        : params(params), shared(shared), sigmoid(params.plain.problem) {
        forget(o);
    }

    // Who this is, read anew where it is used: no register is free to keep it.
    static __device__ __forceinline__ int consumer() { return thread_index() / 128 - 1; }
    static __device__ __forceinline__ int thread() { return thread_index() % 128; }

    // The addresses that only the ends of query tiles need are made there.
    __device__ __forceinline__ Shared opaque_shared() const { return Shared{opaque(shared.base)}; }

    // An address for a descriptor, which has no room for what stands above the 18 bits within a block: its rank in a cluster.
    static __device__ __forceinline__ unsigned within_block(unsigned smem) { return SPLIT ? smem & 0x3ffff : smem; }

    // The flag, which is the first bit, taken out each time: no register is free to keep it for two steps.
    __device__ __forceinline__ unsigned parity() const { return opaque(__builtin_bit_cast(unsigned, is)) & 1; }

    // Gives a slot back, a lane per warp.
    __device__ __forceinline__ void release(unsigned empty) {
        if (thread() % 32 == 0) mbarrier_arrive(empty);
    }

    // Starts S = Q K^T.
    __device__ __forceinline__ void multiply_queries(Scores& s, int slot) {
        const Descriptor q = descriptor(within_block(opaque_shared().q(q_slot(), consumer())), 16);
        const Descriptor k = descriptor(within_block(opaque_shared().k(slot)), 16);
#pragma unroll
        for (int step = 0; step < K_STEPS; ++step) wgmma(s, further(q, panel_step(step, 64)), further(k, panel_step(step, TILE_N)), step > 0);
        wgmma_commit();
    }

    // Starts O += P V, or O = P V.
    __device__ __forceinline__ void multiply_values(const Probabilities& p, int slot) {
        const Descriptor v = descriptor(within_block(opaque_shared().v(slot)), TILE_N * PANEL_ROW);
#pragma unroll
        for (int step = 0; step < V_STEPS; ++step) {
            const Register a[4] = {p[4 * step], p[4 * step + 1], p[4 * step + 2], p[4 * step + 3]};
            wgmma_rows(o, a, further(v, step * 16 * PANEL_ROW), step > 0 || !is.begins);
        }
        wgmma_commit();
        is.begins = false;
    }

    // Clears P where the row does not see the key.
    __device__ __forceinline__ void hide(Probabilities& p) {
        const Problem& problem = params.plain.problem;
        const int first = row0(), row = thread() / 32 * 16 + thread() % 32 / 4, packed = packed_heads(problem);
        const int column = (keys() - cut() - is.whole) * TILE_N + 2 * (thread() & 3);
#pragma unroll
        for (int i = 0; i < TILE_N / 4; ++i) {
            const int query = first + (row + 8 * (i & 1)) / packed;
            const int left = visible_keys_end(query, problem) - column - 16 * (i / 4) - 8 * (i >> 1 & 1);
            if (left < 2) p[i] = left < 1 ? 0 : p[i] & 0xffffu;
        }
    }

    __device__ __forceinline__ int q_slot() const { return is.turn % Q_TILES; }

    // Enters the query tile whose Q comes next; false behind the last.
    __device__ __forceinline__ bool enter() {
        mbarrier_wait(opaque_shared().q_full(q_slot(), consumer()), is.turn / Q_TILES % 2);
        is.whole = keys() - cut() - (SPLIT ? Walk(params.plain.problem).key : 0);
        return row0() >= 0;
    }

    // Of S: its first row, where its key tiles end, and how many of these the mask may cut, the last ones.
    __device__ __forceinline__ unsigned tile() const { return opaque_shared().tile(q_slot(), consumer()); }
    __device__ __forceinline__ int row0() const { return load_shared(tile()); }
    __device__ __forceinline__ int keys() const { return load_shared(tile() + 4); }
    __device__ __forceinline__ int cut() const { return load_shared(opaque_shared().cut(q_slot(), consumer())); }

    // P of the first key tile, before the first step.
    template <int SLOT>
    __device__ __forceinline__ void begin(Probabilities& p) {
        Scores s;
        mbarrier_wait(shared.k_full(SLOT), parity());
        pin(s);
        wgmma_fence();
        multiply_queries(s, SLOT);
        wgmma_wait<0>();
        pin(s);
        release(shared.k_empty(SLOT));
        sigmoid(s, p);
        if (is.whole <= 0) hide(p);
    }

    // One step of the pipeline: `p` is P of the key tile in the slot; `next` becomes that of the one ahead, which the mask may cut where the step is
    // not `plain`.
    template <int SLOT>
    __device__ __forceinline__ void step(Probabilities& p, Probabilities& next, bool plain) {
        Scores s;
        mbarrier_wait(shared.k_full(SLOT ^ 1), parity() ^ SLOT);
        pin(s);
        wgmma_fence();
        multiply_queries(s, SLOT ^ 1);
        mbarrier_wait(shared.v_full(SLOT), parity());
        wgmma_fence();
        multiply_values(p, SLOT);
        wgmma_wait<1>();
        pin(s);
        release(shared.k_empty(SLOT ^ 1));
        sigmoid(s, next);
        if (!plain && is.whole <= 0) hide(next);
        wgmma_wait<0>();
        pin(o);
        pin(p);
        release(shared.v_empty(SLOT));
        is.parity ^= SLOT;
    }

    // The last step, which has nothing ahead.
    template <int SLOT>
    __device__ __forceinline__ void finish(Probabilities& p) {
        mbarrier_wait(shared.v_full(SLOT), parity());
        pin(p);
        pin(o);
        wgmma_fence();
        multiply_values(p, SLOT);
        wgmma_wait<0>();
        pin(o);
        pin(p);
        release(shared.v_empty(SLOT));
        is.parity ^= SLOT;
        if (!SPLIT) store();
    }

    // Moves on by one key tile, to the next query tile after the last; at the end of the pipeline's run it finishes that, and is false.
    template <int SLOT>
    __device__ __forceinline__ bool advance(Probabilities& p, Probabilities& next) {
        const bool last = --is.whole <= 0 && is.whole + cut() == 0;
        if (last) {
            if (CONTINUOUS) ++is.turn;
            if (!CONTINUOUS || !enter()) {
                finish<SLOT>(p);
                return false;
            }
        }
        step<SLOT>(p, next, false);
        if (last) store();
        return true;
    }

    // Moves on by as many pairs of key tiles as every row sees whole, within this query tile.
    __device__ __forceinline__ void advance_pairs(Probabilities& even, Probabilities& odd) {
        for (; is.whole > 2; is.whole -= 2) {
            step<0>(even, odd, true);
            step<1>(odd, even, true);
        }
    }

    // The pipeline's run over key tiles, which alternate between the slots.
    __device__ __forceinline__ void run() {
        Probabilities even, odd;
        int slot = 0;
        is.parity = is.turn = 0;
        is.begins = true;
        while (enter()) {
            if (slot == 0)
                begin<0>(even);
            else
                begin<1>(odd);
            while (true) {
                if (slot == 0) {
                    advance_pairs(even, odd);
                    slot = 1;
                    if (!advance<0>(even, odd)) break;
                }
                slot = 0;
                if (!advance<1>(odd, even)) break;
            }
            if (CONTINUOUS || SPLIT) break;
            ++is.turn;
        }
        if (SPLIT && is.begins) {  // this block has no keys
#pragma unroll
            for (int i = 0; i < HEAD_DIM / 2; ++i) o[i] = 0.0f;
        }
    }

    // Leaves the finished O in the place of its Q tile, for the producer to send off.
    __device__ __forceinline__ void store() {
        constexpr float unscale = 1.0f / SigmoidTile::FACTOR;
        const int lane = thread() % 32, row = thread() / 32 * 16 + lane % 16;
        const unsigned place = opaque_shared().q(stored_slot(), consumer());
        barrier_sync(1 + consumer(), 128);  // no warp's products read Q any more
        float zero = 0.0f;
#pragma unroll
        for (int step = 0; step < K_STEPS; ++step) {
            Register r[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const float low = o[8 * step + 2 * i], high = o[8 * step + 2 * i + 1];
                if (CAUSAL) zero = fmaf(low, 0.0f, fmaf(high, 0.0f, zero));
                r[i] = pack(low * unscale, high * unscale);
            }
            store_matrix_x4(place + swizzled(row, 2 * step + lane / 16, 64), r[0], r[1], r[2], r[3]);
        }
        fence_async_shared();
        mbarrier_arrive(opaque_shared().o_full(stored_slot(), consumer()));
        is.begins = true;
        is.spoiled |= zero != 0.0f;
    }

    // The Q tile of the O that is stored: S is in the one behind it where the pipeline runs on.
    __device__ __forceinline__ int stored_slot() const { return CONTINUOUS ? q_slot() ^ 1 : 0; }

    // Whether something in this block's part of O is not finite.
    __device__ __forceinline__ bool part_is_spoiled() const {
        float zero = 0.0f;
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 2; ++i) zero = fmaf(o[i], 0.0f, zero);
        return zero != 0.0f;
    }

    // Adds up O of the cluster's blocks, in their order. Each block makes every so many columns of it.
    __device__ __forceinline__ void add_parts() {
        constexpr float unscale = 1.0f / SigmoidTile::FACTOR;
        const Problem& problem = params.plain.problem;
        const int blocks = cluster_blocks(), rank = cluster_rank();
        const unsigned own = shared.part() + 16 * thread();
#pragma unroll
        for (int n = 0; n < HEAD_DIM / 8; ++n) {
            const float four[4] = {o[4 * n], o[4 * n + 1], o[4 * n + 2], o[4 * n + 3]};
            store_shared(own + n * 128 * 16, four);
        }
        if (thread() == 0) store_shared(shared.careful(), is.careful);
        cluster_barrier();
        const Walk at(problem);
        const int row = thread() / 32 * 16 + thread() % 32 / 4, packed = packed_heads(problem);
        // A block may end once the others have been at the barrier: what they read of it is used before, or not read.
        for (int n = at.row0 + row / packed < problem.seq_len_q ? rank : HEAD_DIM / 8; n < problem.head_dim / 8; n += blocks) {
            constexpr int AT_ONCE = 8;
            float part[AT_ONCE][4], sum[4] = {};
            for (int first = 0; first < blocks; first += AT_ONCE) {
#pragma unroll
                for (int i = 0; i < AT_ONCE; ++i) load_cluster(cluster_address(own + n * 128 * 16, min(first + i, blocks - 1)), part[i]);
#pragma unroll
                for (int i = 0; i < 4 * AT_ONCE; ++i) sum[i % 4] += first + i / 4 < blocks ? part[i / 4][i % 4] : 0.0f;
            }
            const int column = 8 * n + 2 * (thread() & 3);
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const int query = at.row0 + (row + 8 * half) / packed, head = at.head + (row + 8 * half) % packed;
                if (query >= problem.seq_len_q) continue;
                const Rows rows(params.plain.o, params.plain.o_strides, at.batch, head);
                *reinterpret_cast<Register*>(const_cast<Element*>(rows.row(query)) + column) = pack(sum[2 * half] * unscale, sum[2 * half + 1] * unscale);
            }
        }
        unsigned careful = 0;
        for (int block = 0; CAUSAL && block < blocks; ++block) careful |= load_cluster(cluster_address(shared.careful(), block));
        const bool restores = __any_sync(0xffffffffu, careful) && rank == 0;
        cluster_barrier();  // nobody reads this block's shared memory any more, and every O is in global memory
        if (restores) restore_cleared();
    }

    // Adds what was cleared from values to the rows of O that see it.
    __device__ __forceinline__ void restore_cleared() {
        const Problem& problem = params.plain.problem;
        for (Walk at(problem); at.valid(); at.next_tile(problem)) {
            const Rows k(params.plain.k, params.plain.k_strides, at.batch, at.kv_head), v(params.plain.v, params.plain.v_strides, at.batch, at.kv_head);
            const int packed = packed_heads(problem);
            for (int index = thread(); index < 64 * K_STEPS * 2; index += 128) {
                const int own = consumer() * 64 + index / (K_STEPS * 2), column = index % (K_STEPS * 2) * 8;
                const int row = at.row0 + own / packed, head = at.head + own % packed;
                if (row >= problem.seq_len_q || column >= problem.head_dim) continue;
                const Rows q(params.plain.q, params.plain.q_strides, at.batch, head), o(params.plain.o, params.plain.o_strides, at.batch, head);
                uint4* out = reinterpret_cast<uint4*>(const_cast<Element*>(o.row(row)) + column);
                *out = add_nonfinite(*out, v.data + column, v.stride, whole_tiles(at.row0, problem) * TILE_N, visible_keys_end(row, problem),
                                     q.row(row), k, problem.head_dim, problem.scale);
            }
        }
    }
};

// All barriers, in their first phase; `again` where they have been in use.
__device__ __forceinline__ void begin_barriers(const Shared& shared, bool again) {
    for (int slot = 0; slot < STAGES; ++slot) {
        begin_barrier(shared.k_full(slot), 1, again);
        begin_barrier(shared.k_empty(slot), CONSUMERS * 4, again);
        begin_barrier(shared.v_full(slot), 1, again);
        begin_barrier(shared.v_empty(slot), CONSUMERS * 4, again);
        begin_barrier(shared.v_landed(slot), 1, again);
    }
    for (int tile = 0; tile < Q_TILES; ++tile)
        for (int consumer = 0; consumer < CONSUMERS; ++consumer) {
            begin_barrier(shared.q_full(tile, consumer), 1, again);
            begin_barrier(shared.o_full(tile, consumer), 128, again);
        }
    mbarrier_init_fence();
}

// The producer's warpgroup: a warp for keys, one for values, one for Q, and where hidden values may not be finite one that clears them.
__device__ __forceinline__ void produce(const ForwardTensorParams& params, const Shared shared, bool careful) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    if (warp == 0 && lane == 0) load_ring<false>(params, shared, careful);
    if (warp == 1 && lane == 0) load_ring<true>(params, shared, careful);
    if (warp == 2 && lane == 0) SPLIT ? load_query(params, shared) : load_queries(params, shared);
    if (warp == 3 && careful) clean_values(params.plain.problem, shared, lane);
    __syncwarp();
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM) KERNEL_NAME(const __grid_constant__ ForwardTensorParams params) {
    extern __shared__ unsigned char memory[];
    const Shared shared{(shared_address(memory) + 1023) & ~1023u};
    if (threadIdx.x == 0) begin_barriers(shared, false);
    __syncthreads();

    // A hidden value that is not finite spoils O, which shows in its results. Then, and only then, all is done again with care.
    if (threadIdx.x < 128) {
        if constexpr (CONSUMERS > 1) registers_shrink<PRODUCER_REGISTERS>();
        produce(params, shared, false);
        if (CAUSAL && begin_again(shared, false)) {
            produce(params, shared, true);
            if (!SPLIT) barrier_sync(0, THREADS);
        }
    } else {
        if constexpr (CONSUMERS > 1) registers_grow<CONSUMER_REGISTERS>();
        Consumer consumer(params, shared);
        do {
            consumer.run();
            if (CAUSAL && SPLIT) consumer.is.spoiled = consumer.part_is_spoiled();
        } while (CAUSAL && !consumer.is.careful && (consumer.is.careful = begin_again(shared, consumer.is.spoiled)));
        if (SPLIT) {
            consumer.add_parts();
        } else if (consumer.is.careful) {
            barrier_sync(0, THREADS);  // every O is in global memory
            consumer.restore_cleared();
        }
    }
}
