// FlashSigmoid, Algorithm 2: the gradients of one tile of TILE_N keys of one key-value head, over all query tiles that see it.
//
//     S^T = K Q^T     P = sigma(S)                 dV += P^T dO
//     dP^T = V dO^T   dS = P (1 - P) dP            dK += dS^T Q         dQ = dS K (with ACCUMULATE_DQ)
//
// Everything is transposed: a warp owns WARP_KEYS key rows, whose K and V fragments and dK and dV accumulators stay in its registers from
// first to last, and P^T and dS^T leave one product in the layout that the next one reads. Only dS goes through shared memory, for dQ, which
// sums over the keys of all warps. Queries stream through a ring of STAGES tiles and are taken 16 at a time; dQ of one tile is
// computed during the next, so that one barrier per tile suffices.
//
// Where the head dim is too large for one warp to hold both halves (PAIRED), two warps share the keys: one holds K and dV and makes P, the
// other holds V and dK and makes dS, and P (1 - P) goes from the first to the second through shared memory.
#include "../common/plan.cuh"
#include "../common/dtype.cuh"
#include "../common/mask.cuh"
#include "../common/params.cuh"
#include "../common/sigmoid_gradient.cuh"
#include "../common/tile.cuh"
#include "../common/visible.cuh"
#include "../common/fragment_products.cuh"
#include "../common/dq_accumulator.cuh"
#include "../ptx/barrier.cuh"
#include "../ptx/opaque.cuh"
#include "../ptx/reduce.cuh"

constexpr bool PAIRED = HEAD_DIM > 64;
constexpr int KEY_WARPS = PAIRED ? WARPS / 2 : WARPS;
constexpr int WARP_KEYS = TILE_N / KEY_WARPS;
constexpr int KEY_BLOCKS = WARP_KEYS / 16;
constexpr int K_RESIDENT_STEPS = HEAD_DIM == 64 ? 0 : K_STEPS;  // of K's fragments, as registers allow; those of V all stay there
constexpr int CHUNKS = TILE_M / 16;                             // of 16 queries
constexpr int PAIRS = KEY_BLOCKS * 4;                           // packed registers per lane and chunk
constexpr int LAST_HANDOVER = 15;                               // the barrier of a tile's last chunk
constexpr bool FENCED = HEAD_DIM == 128 && !ACCUMULATE_DQ;      // the kernel that does not fit its registers otherwise

// Shared memory: K | V, later dS (two tiles) and P (1 - P) of the pairs | the ring of Q and dO | the task | the warps' shares of the bias
// gradient.
constexpr int KV_BYTES = TILE_N * ROW_BYTES;
constexpr int Q_BYTES = TILE_M * ROW_BYTES;
constexpr int DS_BYTES = ACCUMULATE_DQ ? TILE_N * TILE_M * 2 : 0;
constexpr int SLOPE_BYTES = PAIRED ? TILE_N * TILE_M * 4 : 0;
constexpr int EXCHANGE_BYTES = 2 * DS_BYTES + SLOPE_BYTES > KV_BYTES ? 2 * DS_BYTES + SLOPE_BYTES : KV_BYTES;
constexpr int DBIAS_BYTES = ACCUMULATE_DQ ? WARPS * 4 : 0;
constexpr int TASK_BYTES = 80;
constexpr int TASK_OFFSET = KV_BYTES + EXCHANGE_BYTES + 2 * STAGES * Q_BYTES;

// How dQ of a tile is shared among the warps, each DQ_ROWS x DQ_COLUMNS: the split that reads the fewest fragments.
__device__ constexpr int dq_column_warps() {
    int best = 0, fewest = 0;
    for (int columns = 1; columns <= WARPS; columns *= 2) {
        if (WARPS % columns != 0 || HEAD_DIM % (16 * columns) != 0 || TILE_M % (16 * (WARPS / columns)) != 0) continue;
        const int fragments = HEAD_DIM / columns + TILE_M / (WARPS / columns);
        if (best == 0 || fragments < fewest) best = columns, fewest = fragments;
    }
    return best;
}
constexpr int DQ_COLUMN_WARPS = dq_column_warps();
static_assert(DQ_COLUMN_WARPS > 0, "no split of TILE_M x HEAD_DIM among the warps in multiples of 16");
constexpr int DQ_ROWS = TILE_M * DQ_COLUMN_WARPS / WARPS, DQ_BLOCKS = DQ_ROWS / 16;
constexpr int DQ_COLUMNS = HEAD_DIM / DQ_COLUMN_WARPS, DQ_STEPS = DQ_COLUMNS / 16;
constexpr int DQ_UNROLL = HEAD_DIM == 96 ? TILE_N / 16 : PAIRED ? 1 : 2;  // of the loop over the keys, as registers allow

// How many of DQ_STEPS to take at a time, so that at most `registers` accumulate.
__device__ constexpr int dq_pass_steps(int registers) {
    int steps = DQ_STEPS;
    while (DQ_STEPS % steps != 0 || DQ_BLOCKS * steps * 8 > registers) --steps;
    return steps;
}

// A tile of dS^T in shared memory: rows of TILE_M queries, swizzled like the others.
constexpr int DS_ROW_BYTES = TILE_M * 2;
static_assert(TILE_M == 16 || TILE_M == 32 || TILE_M % 64 == 0);
__device__ __forceinline__ unsigned ds_offset(int key, int chunk) {
    return key * DS_ROW_BYTES + ((chunk ^ (TILE_M == 16 ? key >> 2 & 1 : TILE_M == 32 ? key >> 1 & 3 : key & 7)) << 4);
}

static_assert(THREADS == WARPS * 32 && WARP_KEYS % 16 == 0 && TILE_M % 16 == 0 && STAGES >= 2);
static_assert(!PAIRED || KEY_WARPS * (CHUNKS - 1) < LAST_HANDOVER, "each handover has a named barrier of its own");
static_assert(SHARED_BYTES == TASK_OFFSET + TASK_BYTES + DBIAS_BYTES);

using KeyScores = float[KEY_BLOCKS][2][4];   // S^T or dP^T of 16 queries
using KeyOperand = Register[KEY_BLOCKS][4];  // P^T or dS^T of 16 queries
using KeyGradient = float[KEY_BLOCKS][HEAD_DIM / 8][4];

// What a block does: one tile of keys against the query tiles [first_tile, last_tile) of a group of heads, head by head. Of these tiles,
// [first_whole, end_whole) see every key of a full tile. It waits in shared memory, since fragments take nearly every register.
struct Task {
    int batch, kv_head, key0;
    int head, end_head;  // the current one, and the end of the group's
    int first_tile, last_tile, first_whole, end_whole;
    int scrub_k = 0;  // whether K has non-finite elements, which a query that does not see them must not be given
    int scrub = 0;    // whether Q or dO has had
    SigmoidGradient sigmoid;
    const void *q, *d_o;  // of the current head
    float* dq;            // its part of the workspace

    __device__ __forceinline__ Task(int block, const Problem& p) : sigmoid(p) {
        const int key_tiles = (p.seq_len_k + TILE_N - 1) / TILE_N;
        batch = block / key_tiles / p.heads_kv;
        kv_head = block / key_tiles % p.heads_kv;
        key0 = block % key_tiles * TILE_N;
        head = kv_head * (p.heads_q / p.heads_kv);
        end_head = head + p.heads_q / p.heads_kv;
        first_tile = visible_queries_begin(key0, p) / TILE_M;
        last_tile = (p.seq_len_q + TILE_M - 1) / TILE_M;
        first_whole = (visible_queries_begin(key0 + TILE_N - 1, p) + TILE_M - 1) / TILE_M;
        end_whole = key0 + TILE_N <= p.seq_len_k ? p.seq_len_q / TILE_M : 0;
    }

    // Turns to another head of the group.
    __device__ __forceinline__ void start(int next, const BackwardParams& params) {
        head = next;
        q = Rows(params.q, params.q_strides, batch, head).data;
        d_o = Rows(params.d_o, params.do_strides, batch, head).data;
        if constexpr (ACCUMULATE_DQ) dq = dq_tile(params.dq_accum, params.problem, batch, head, 0);
    }
};
static_assert(sizeof(Task) == TASK_BYTES);

extern __shared__ __align__(128) unsigned char shared[];

struct Backward {
    const BackwardParams& params;
    const Problem& problem;
    const unsigned k_tile, ds_ring, slopes, q_ring;  // in shared memory
    Task task;
    int thread, warp, lane;
    int warp_key;            // the warp's first key in the tile
    unsigned columns, rows;  // where the lane reads fragments of a tile at 0
    float dbias = 0.0f;      // the lane's share of the current head's

    // Who runs this and on what, asked again and again: kept through the loop, all that follows from it would take too many registers.
    __device__ __forceinline__ void identify() {
        task = *reinterpret_cast<const Task*>(shared + opaque(TASK_OFFSET));
        thread = opaque(threadIdx.x) % THREADS;  // the modulus tells the compiler the range
        warp = thread / 32;
        lane = thread % 32;
        warp_key = warp % KEY_WARPS * WARP_KEYS;
        columns = columns_fragment(0, lane);
        rows = rows_fragment(0, lane);
    }

    // Where a query tile's rows and its dS lie.
    __device__ __forceinline__ unsigned q_stage(unsigned tile) const { return q_ring + tile % STAGES * (2 * Q_BYTES); }
    __device__ __forceinline__ unsigned do_stage(unsigned tile) const { return q_stage(tile) + Q_BYTES; }
    __device__ __forceinline__ unsigned ds_tile(unsigned tile) const { return ds_ring + tile % 2 * DS_BYTES; }

    __device__ __forceinline__ int group() const { return problem.heads_q / problem.heads_kv; }
    __device__ __forceinline__ bool first_half() const { return warp < KEY_WARPS; }

    // Starts the copy of one query tile, if there is such a tile.
    __device__ __forceinline__ void load(int tile) const {
        if (tile < task.last_tile) {
            const Rows q(task.q, params.q_strides, 0, 0), d_o(task.d_o, params.do_strides, 0, 0);
            load_tile<TILE_M>(q_stage(tile), q, tile * TILE_M, problem.seq_len_q, problem.head_dim, thread);
            load_tile<TILE_M>(do_stage(tile), d_o, tile * TILE_M, problem.seq_len_q, problem.head_dim, thread);
        }
        cp_async_commit();
    }

    // What the lane's fragments see of 16 queries.
    __device__ __forceinline__ Visible visible(int query) const {
        return Visible(task.key0 + warp_key + lane / 4, query + 2 * (lane & 3), problem);
    }

    // A packed pair of P^T from two neighbouring elements of S^T, which P (1 - P) replaces.
    __device__ __forceinline__ void activate(KeyScores& s, KeyOperand& p, int pair) const {
        const int block = pair / 4, n = pair % 4 / 2, r = pair % 2;
        const float low = task.sigmoid(s[block][n][2 * r]), high = task.sigmoid(s[block][n][2 * r + 1]);
        p[block][2 * n + r] = pack(low, high);
    }

    // Zeroes P^T where the mask or an end hides it. The barriers keep the compiler from mixing the mask with what is around it, which takes
    // too many registers.
    __device__ __forceinline__ void hide(KeyOperand& p, int query) const {
        __syncwarp();
        const Visible see = visible(query);
#pragma unroll
        for (int pair = 0; pair < PAIRS; ++pair) {
            const int key = pair / 4 * 16 + pair % 2 * 8, column = pair % 4 / 2 * 8;
            if (!see(key, column)) p[pair / 4][pair % 4] &= 0xffff0000u;
            if (!see(key, column + 1)) p[pair / 4][pair % 4] &= 0x0000ffffu;
        }
        __syncwarp();
    }

    // The same of dS^T.
    __device__ __forceinline__ void hide(KeyScores& ds, int query) const {
        __syncwarp();
        const Visible see = visible(query);
#pragma unroll
        for (int i = 0; i < 8 * KEY_BLOCKS; ++i)
            if (!see(i / 8 * 16 + i % 4 / 2 * 8, i / 4 % 2 * 8 + i % 2)) ds[i / 8][i / 4 % 2][i % 4] = 0.0f;
        __syncwarp();
    }

    // Packs dS^T, and adds it to the bias gradient.
    __device__ __forceinline__ void finish(const KeyScores& ds, KeyOperand& operand) {
#pragma unroll
        for (int i = 0; i < 2 * PAIRS; i += 2) {
            const float low = ds[i / 8][i / 4 % 2][i % 4], high = ds[i / 8][i / 4 % 2][i % 4 + 1];
            if constexpr (ACCUMULATE_DQ) dbias += low, dbias += high;
            operand[i / 8][i % 8 / 2] = pack(low, high);
        }
    }

    // Leaves dS^T of 16 queries for dQ.
    __device__ __forceinline__ void store_ds(const KeyOperand& ds, int chunk, int tile) const {
        if constexpr (ACCUMULATE_DQ) {
#pragma unroll
            for (int i = 0; i < PAIRS; ++i) {
                const int key = warp_key + i / 4 * 16 + i % 2 * 8 + lane / 4;
                store_shared(ds_tile(tile) + ds_offset(key, 2 * chunk + i % 4 / 2) + 4 * (lane & 3), ds[i / 4][i % 4]);
            }
        }
    }

    // Clears 16 queries of what is not finite, once all warps have made scores of it and before anything is summed over it: it would
    // reach the keys that do not see it. restore_nonfinite makes up for it.
    __device__ __forceinline__ void scrub_chunk(unsigned q, unsigned d_o) const {
        __syncthreads();
        clear_nonfinite<16>(q, thread);
        clear_nonfinite<16>(d_o, thread);
    }

    // Both halves by one warp. The products of a chunk's sums run beside those of the next one's scores.
    template <bool MASKED, class K, class V>
    __device__ __forceinline__ void whole_tile(const K& k, const V& v, KeyGradient& dk, KeyGradient& dv, int tile) {
        const unsigned q = q_stage(tile), d_o = do_stage(tile);
        KeyScores s, dp;
        multiply(s, k, q + columns);
        multiply(dp, v, d_o + columns);
#pragma unroll 1
        for (int chunk = 0;; ++chunk) {
            const unsigned offset = chunk * 16 * ROW_BYTES, next = offset + 16 * ROW_BYTES;
            KeyOperand p, ds;
#pragma unroll
            for (int pair = 0; pair < PAIRS; ++pair) activate(s, p, pair);
#pragma unroll
            for (int i = 0; i < 8 * KEY_BLOCKS; ++i) dp[i / 8][i / 4 % 2][i % 4] *= s[i / 8][i / 4 % 2][i % 4];
            if constexpr (MASKED) {
                hide(p, tile * TILE_M + chunk * 16);
                hide(dp, tile * TILE_M + chunk * 16);
            }
            finish(dp, ds);
            store_ds(ds, chunk, tile);
            if (MASKED && CAUSAL && task.scrub) scrub_chunk(q + offset, d_o + offset);
            if (chunk == CHUNKS - 1) {
                accumulate(dv, p, d_o + offset + rows);
                accumulate(dk, ds, q + offset + rows);
                break;
            }
#pragma unroll
            for (int i = 0; i < K_STEPS; ++i) {
                multiply_step(s, k, q + next + columns, i);
                accumulate_step(dv, p, d_o + offset + rows, i);
                multiply_step(dp, v, d_o + next + columns, i);
                accumulate_step(dk, ds, q + offset + rows, i);
            }
        }
    }

    // P (1 - P) of one key block and chunk, handed over in the order of the fragments.
    __device__ __forceinline__ unsigned slope_address(int chunk, int block, int n) const {
        return slopes + ((((warp_key / 16 + block) * CHUNKS + chunk) * 2 + n) * 32 + lane) * 16;
    }
    // Each pair has a barrier per chunk, but for the last chunk, whose barrier all pairs share: there are only 16.
    __device__ __forceinline__ int handover_barrier(int chunk) const { return 1 + warp_key / WARP_KEYS * (CHUNKS - 1) + chunk; }
    __device__ __forceinline__ void hand_over(int chunk) const {
        if (chunk < CHUNKS - 1)
            barrier_arrive(handover_barrier(chunk), 64);
        else
            barrier_arrive(LAST_HANDOVER, THREADS);
    }
    __device__ __forceinline__ void take_over(int chunk) const {
        if (chunk < CHUNKS - 1)
            barrier_sync(handover_barrier(chunk), 64);
        else
            barrier_sync(LAST_HANDOVER, THREADS);
    }

    // The first half of a pair: P and dV.
    template <bool MASKED, class K>
    __device__ __forceinline__ void probability_tile(const K& k, KeyGradient& dv, int tile) const {
        const unsigned q = q_stage(tile), d_o = do_stage(tile);
#pragma unroll 1
        for (int chunk = 0; chunk < CHUNKS; ++chunk) {
            const unsigned offset = chunk * 16 * ROW_BYTES;
            KeyScores s;
            KeyOperand p;
            multiply<FENCED>(s, k, q + offset + columns);
#pragma unroll
            for (int i = 0; i < 2 * KEY_BLOCKS; ++i) {
                activate(s, p, 2 * i);
                activate(s, p, 2 * i + 1);
                store_shared(slope_address(chunk, i / 2, i % 2), s[i / 2][i % 2]);
            }
            hand_over(chunk);
            if constexpr (MASKED) hide(p, tile * TILE_M + chunk * 16);
            if (MASKED && CAUSAL && task.scrub) scrub_chunk(q + offset, d_o + offset);
            accumulate<FENCED>(dv, p, d_o + offset + rows);
        }
    }

    // The second half of a pair: dS and dK.
    template <bool MASKED, class V>
    __device__ __forceinline__ void slope_tile(const V& v, KeyGradient& dk, int tile) {
        const unsigned q = q_stage(tile), d_o = do_stage(tile);
#pragma unroll 1
        for (int chunk = 0; chunk < CHUNKS; ++chunk) {
            const unsigned offset = chunk * 16 * ROW_BYTES;
            KeyScores dp;
            KeyOperand ds;
            multiply<FENCED>(dp, v, d_o + offset + columns);
            if (MASKED && CAUSAL && task.scrub) scrub_chunk(q + offset, d_o + offset);
            take_over(chunk);
#pragma unroll
            for (int i = 0; i < 2 * KEY_BLOCKS; ++i) {
                float slopes[4];
                load_shared(slopes, slope_address(chunk, i / 2, i % 2));
#pragma unroll
                for (int j = 0; j < 4; ++j) dp[i / 2][i % 2][j] *= slopes[j];
            }
            if constexpr (MASKED) hide(dp, tile * TILE_M + chunk * 16);
            finish(dp, ds);
            store_ds(ds, chunk, tile);
            accumulate<FENCED>(dk, ds, q + offset + rows);
        }
    }

    // dQ of one tile, from the dS of all warps, added to the float32 workspace in the order of the fragments: each instruction of a warp
    // covers 128 contiguous bytes.
    template <bool SCRUB>
    __device__ __forceinline__ void query_gradients(int tile) const {
        constexpr int STEPS = SCRUB ? 1 : dq_pass_steps(48);  // scrubbing takes registers too
        const int row0 = warp / DQ_COLUMN_WARPS * DQ_ROWS, column0 = warp % DQ_COLUMN_WARPS * DQ_COLUMNS;
        const int lane_key = (lane & 7) + ((lane >> 4) << 3);
        unsigned ds_address[DQ_BLOCKS];
#pragma unroll
        for (int block = 0; block < DQ_BLOCKS; ++block)
            ds_address[block] = ds_tile(tile) + ds_offset(lane_key, row0 / 8 + 2 * block + ((lane >> 3) & 1));
#pragma unroll 1
        for (int pass = 0; pass < DQ_STEPS; pass += STEPS) {
            float dq[DQ_BLOCKS][STEPS * 2][4] = {};
            unsigned k_address[STEPS];
#pragma unroll
            for (int step = 0; step < STEPS; ++step)
                k_address[step] = k_tile + chunk_offset(lane & 15, column0 / 8 + 2 * (pass + step) + (lane >> 4));
#pragma unroll DQ_UNROLL
            for (int key = 0; key < TILE_N; key += 16) {
                Register a[DQ_BLOCKS][4];
#pragma unroll
                for (int block = 0; block < DQ_BLOCKS; ++block) load_matrix_x4_transposed(a[block], ds_address[block] + key * DS_ROW_BYTES);
#pragma unroll
                for (int step = 0; step < STEPS; ++step) {
                    Register b[4];
                    load_matrix_x4_transposed(b, k_address[step] + key * ROW_BYTES);
                    if constexpr (SCRUB) zero_nonfinite(b);
#pragma unroll
                    for (int block = 0; block < DQ_BLOCKS; ++block) {
                        mma(dq[block][2 * step], a[block], b[0], b[1]);
                        mma(dq[block][2 * step + 1], a[block], b[2], b[3]);
                    }
                }
            }
            float* accumulator = task.dq + static_cast<long long>(tile) * (TILE_M * HEAD_DIM) + dq_block_offset(row0 / 16, column0 / 8 + 2 * pass) + lane;
#pragma unroll
            for (int block = 0; block < DQ_BLOCKS; ++block)
#pragma unroll
                for (int n = 0; n < 2 * STEPS; ++n)
#pragma unroll
                    for (int i = 0; i < 4; ++i) add_global(accumulator + dq_block_offset(block, n) + i * 32, dq[block][n][i]);
        }
    }

    // NaN to the dQ of all queries that see a key with non-finite elements: P (1 - P) is 0 or NaN there.
    __device__ __forceinline__ void spoil_dq() const {
        for (int index = thread; index < TILE_N * HEAD_DIM; index += THREADS) {
            const int key = index / HEAD_DIM, column = index % HEAD_DIM;
            const unsigned word = load_shared(k_tile + chunk_offset(key, column / 8) + column % 8 / 2 * 4);
            if (task.key0 + key >= problem.seq_len_k || !nonfinite(column % 2 ? word >> 16 : word)) continue;
            for (int head = task.end_head - group(); head < task.end_head; ++head)
                for (int query = visible_queries_begin(task.key0 + key, problem); query < problem.seq_len_q; ++query)
                    add_global(dq_tile(params.dq_accum, problem, task.batch, head, query / TILE_M) + dq_offset(query % TILE_M, column),
                               __uint_as_float(0x7fffffffu));
        }
    }

    // The block's partial sum of one head's bias gradient, in a fixed order; all threads call it.
    __device__ __forceinline__ void sum_dbias(float* shares) {
#pragma unroll
        for (int distance = 16; distance > 0; distance /= 2) dbias += __shfl_xor_sync(0xffffffffu, dbias, distance);
        if (lane == 0) shares[warp] = dbias;
        dbias = 0.0f;
        __syncthreads();
        if (thread != 0 || params.dbias_partial == nullptr) return;
        float sum = 0.0f;
        for (int i = 0; i < WARPS; ++i) sum += shares[i];
        params.dbias_partial[(static_cast<long long>(task.head) * problem.batch + task.batch) * params.dbias_tiles + task.key0 / TILE_N] =
            sum * power_of_two(-DS_SCALE_LOG2);
    }

    // Stores the warp's rows of dK or dV.
    __device__ __forceinline__ void store(const KeyGradient& gradient, float factor, unsigned staging, void* tensor, const Strides& strides) const {
        const int first_key = task.key0 + warp_key;
        Element* data = static_cast<Element*>(tensor) + task.batch * strides.batch + task.kv_head * strides.head + first_key * strides.seq;
        store_rows(gradient, factor, staging + warp_key * ROW_BYTES, data, strides.seq, problem.seq_len_k - first_key, problem.head_dim, lane);
    }

    // Gives the warp's rows of dK and dV what scrubbing kept from them: dO itself for dV, where P is positive, and NaN for dK.
    template <bool DK>
    __device__ __forceinline__ void restore_nonfinite() const {
        const Strides& strides = DK ? params.dk_strides : params.dv_strides;
        Element* data = static_cast<Element*>(DK ? params.dk : params.dv) + task.batch * strides.batch + task.kv_head * strides.head;
#pragma unroll 1
        for (int index = lane; index < WARP_KEYS * ROW_CHUNKS; index += 32) {
            const int key = task.key0 + warp_key + index / ROW_CHUNKS, chunk = index % ROW_CHUNKS;
            if (key >= problem.seq_len_k || chunk * 8 >= problem.head_dim) continue;
            uint4* out = reinterpret_cast<uint4*>(data + key * strides.seq + chunk * 8);
            for (int head = task.end_head - group(); head < task.end_head; ++head) {
                const Rows q(params.q, params.q_strides, task.batch, head), d_o(params.d_o, params.do_strides, task.batch, head);
                const int first = visible_queries_begin(key, problem);
                if constexpr (DK)
                    *out = spoil_nonfinite(*out, q.data + chunk * 8, q.stride, first, problem.seq_len_q);
                else
                    *out = add_nonfinite(*out, d_o.data + chunk * 8, d_o.stride, first, problem.seq_len_q,
                                         Rows(params.k, params.k_strides, task.batch, task.kv_head).row(key), q, problem.head_dim, problem.scale);
            }
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM) KERNEL_NAME(const __grid_constant__ BackwardParams params) {
    const Problem& problem = params.problem;
    const unsigned k_tile = shared_address(shared), exchange = k_tile + KV_BYTES, q_ring = exchange + EXCHANGE_BYTES;
    Task* const task = reinterpret_cast<Task*>(shared + TASK_OFFSET);
    float* const dbias_shares = reinterpret_cast<float*>(shared + TASK_OFFSET + TASK_BYTES);

    // The task: keys vary fastest so that neighbours share queries in L2, the longest causal columns first.
    if (threadIdx.x == 0) {
        *task = Task(blockIdx.x, problem);
        task->start(task->head, params);
    }
    __syncthreads();
    Backward b{params, problem, k_tile, exchange, exchange + 2 * DS_BYTES, q_ring, *task};
    b.identify();

    // Load: K and V.
    const int kv_head = b.task.kv_head, batch = b.task.batch;
    load_tile<TILE_N>(k_tile, Rows(params.k, params.k_strides, batch, kv_head), b.task.key0, problem.seq_len_k, problem.head_dim, b.thread);
    load_tile<TILE_N>(exchange, Rows(params.v, params.v_strides, batch, kv_head), b.task.key0, problem.seq_len_k, problem.head_dim, b.thread);
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    if constexpr (CAUSAL && ACCUMULATE_DQ)
        if (share_nonfinite<TILE_N>(k_tile, b.thread)) task->scrub_k = 1;
    OwnRows<KEY_BLOCKS, K_RESIDENT_STEPS> k;  // a pair's second warp keeps V here
    OwnRows<KEY_BLOCKS, K_STEPS> v;
    KeyGradient dv, dk;  // a pair's second warp keeps dK in dv
    k.begin((PAIRED && !b.first_half() ? exchange : k_tile) + b.warp_key * ROW_BYTES, b.lane);
    clear<KEY_BLOCKS>(dv);
    if constexpr (!PAIRED) {
        v.begin(exchange + b.warp_key * ROW_BYTES, b.lane);
        clear<KEY_BLOCKS>(dk);
    }

    // Compute: one step per query tile, which also makes dQ of the tile before.
    const auto accumulate_dq = [&](int tile) {
        if constexpr (ACCUMULATE_DQ) {
            b.identify();
            if (CAUSAL && b.task.scrub_k)
                b.query_gradients<true>(tile);
            else
                b.query_gradients<false>(tile);
        }
    };
    while (b.task.head < b.task.end_head) {  // each thread's copy of the task is renewed by identify()
#pragma unroll
        for (int i = 0; i < STAGES - 1; ++i) b.load(b.task.first_tile + i);
#pragma unroll 1
        for (int tile = b.task.first_tile; tile < b.task.last_tile; ++tile) {
            cp_async_wait<STAGES - 2>();
            __syncthreads();
            b.identify();
            const bool masked = tile < b.task.first_whole || tile >= b.task.end_whole;
            if (CAUSAL && masked) {
                if (share_nonfinite<2 * TILE_M>(b.q_stage(tile), b.thread)) task->scrub = 1;
                __syncthreads();
                b.identify();
            }
            b.load(tile + STAGES - 1);
            b.identify();
            if constexpr (PAIRED) {
                if (b.first_half()) {
                    if (masked)
                        b.probability_tile<true>(k, dv, tile);
                    else
                        b.probability_tile<false>(k, dv, tile);
                }
                if (tile > b.task.first_tile) accumulate_dq(tile - 1);
                b.identify();
                if (!b.first_half()) {
                    if (masked)
                        b.slope_tile<true>(k, dv, tile);
                    else
                        b.slope_tile<false>(k, dv, tile);
                }
            } else {
                if (masked)
                    b.whole_tile<true>(k, v, dk, dv, tile);
                else
                    b.whole_tile<false>(k, v, dk, dv, tile);
                if (tile > b.task.first_tile) accumulate_dq(tile - 1);
            }
        }
        cp_async_wait<0>();
        __syncthreads();
        b.identify();
        if (b.task.first_tile < b.task.last_tile) accumulate_dq(b.task.last_tile - 1);
        if constexpr (ACCUMULATE_DQ) b.sum_dbias(dbias_shares);
        __syncthreads();
        if (b.thread == 0) task->start(b.task.head + 1, params);
        __syncthreads();
        b.identify();
    }
    if constexpr (CAUSAL && ACCUMULATE_DQ)
        if (b.task.scrub_k) b.spoil_dq();
    __syncthreads();

    // Store: dV through the space of V, dK through that of K.
    if (!PAIRED || b.first_half()) {
        b.store(dv, power_of_two(-P_SCALE_LOG2), exchange, params.dv, params.dv_strides);
        if (CAUSAL && b.task.scrub) b.restore_nonfinite<false>();
    }
    if (!PAIRED || !b.first_half()) {
        b.store(PAIRED ? dv : dk, problem.scale * power_of_two(-DS_SCALE_LOG2), k_tile, params.dk, params.dk_strides);
        if (CAUSAL && b.task.scrub) b.restore_nonfinite<true>();
    }
}
