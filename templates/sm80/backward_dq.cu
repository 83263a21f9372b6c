// FlashSigmoid, Algorithm 2 without sums across blocks: dQ of one tile of TILE_M query rows of one head, over all keys that they see.
//
//     S = Q K^T     P = sigma(S)     dP = dO V^T     dS = P (1 - P) dP     dQ += dS K
//
// A warp owns WARP_ROWS query rows: dQ and its share of Q and dO stay in its registers from first to last, and dS leaves the first products
// in the layout that the last one reads. Keys stream through a ring of STAGES tiles and are taken 16 at a time.
#include "../common/plan.cuh"
#include "../common/dtype.cuh"
#include "../common/mask.cuh"
#include "../common/params.cuh"
#include "../common/sigmoid_gradient.cuh"
#include "../common/tile.cuh"
#include "../common/visible.cuh"
#include "../common/fragment_products.cuh"
#include "../ptx/opaque.cuh"

constexpr int WARP_ROWS = TILE_M / WARPS;
constexpr int ROW_BLOCKS = WARP_ROWS / 16;
constexpr int GROUPS = TILE_N / 16;  // of 16 keys
constexpr int PAIRS = ROW_BLOCKS * 4;  // packed registers per lane and group
constexpr int Q_RESIDENT_STEPS = ROW_BLOCKS * HEAD_DIM <= 192 ? K_STEPS : 0;
constexpr int DO_RESIDENT_STEPS = ROW_BLOCKS * HEAD_DIM <= 128 ? K_STEPS : 0;

// Shared memory: Q | dO | the ring of K and V | the warps' shares of the bias gradient.
constexpr int Q_BYTES = TILE_M * ROW_BYTES;
constexpr int KV_BYTES = TILE_N * ROW_BYTES;
static_assert(THREADS == WARPS * 32 && WARP_ROWS % 16 == 0 && TILE_N % 16 == 0 && STAGES >= 2);
static_assert(SHARED_BYTES == 2 * Q_BYTES + 2 * STAGES * KV_BYTES + WARPS * 4);

using RowScores = float[ROW_BLOCKS][2][4];   // S or dP of 16 keys
using RowOperand = Register[ROW_BLOCKS][4];  // dS of 16 keys
using RowGradient = float[ROW_BLOCKS][HEAD_DIM / 8][4];

struct BackwardDQ {
    const Problem& problem;
    const SigmoidGradient sigmoid;
    const Rows k_rows, v_rows;
    const unsigned kv_ring;  // in shared memory
    const int row0;
    int thread, warp, lane;
    float dbias = 0.0f;  // the lane's share

    __device__ __forceinline__ unsigned k_stage(int stage) const { return kv_ring + stage * 2 * KV_BYTES; }
    __device__ __forceinline__ unsigned v_stage(int stage) const { return k_stage(stage) + KV_BYTES; }

    // Starts the copy of one tile of keys and values; beyond the last tile these are zeros.
    __device__ __forceinline__ void load(int tile, int stage) const {
        load_tile<TILE_N>(k_stage(stage), k_rows, tile * TILE_N, problem.seq_len_k, problem.head_dim, thread);
        load_tile<TILE_N>(v_stage(stage), v_rows, tile * TILE_N, problem.seq_len_k, problem.head_dim, thread);
        cp_async_commit();
    }

    // P (1 - P) in place of S.
    __device__ __forceinline__ void activate(RowScores& s, int pair) const {
#pragma unroll
        for (int i = 0; i < 2; ++i) sigmoid(s[pair / 4][pair % 4 / 2][pair % 2 * 2 + i]);
    }

    // A packed pair of dS from two neighbouring elements of dP and their P (1 - P).
    template <bool MASKED>
    __device__ __forceinline__ void differentiate(const RowScores& dp, const RowScores& slopes, RowOperand& operand, int pair, int key) {
        const int block = pair / 4, n = pair % 4 / 2, r = pair % 2;
        float ds[2];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            ds[i] = dp[block][n][2 * r + i] * slopes[block][n][2 * r + i];
            if constexpr (MASKED) {
                const Visible visible(key + 2 * (lane & 3), row0 + warp * WARP_ROWS + lane / 4, problem);
                if (!visible(8 * n + i, block * 16 + 8 * r)) ds[i] = 0.0f;
            }
            dbias += ds[i];
        }
        operand[block][2 * n + r] = pack(ds[0], ds[1]);
    }

    // One tile of keys. Where `scrub`, its K has non-finite elements that some of the rows must not see.
    template <bool MASKED, class Q, class DO>
    __device__ __forceinline__ void consume(const Q& q, const DO& d_o, RowGradient& dq, int tile, int stage, bool scrub) {
        const unsigned columns = columns_fragment(0, lane), rows = rows_fragment(0, lane);
#pragma unroll 1
        for (int group = 0; group < GROUPS; ++group) {
            const unsigned k = k_stage(stage) + group * 16 * ROW_BYTES, v = v_stage(stage) + group * 16 * ROW_BYTES;
            RowScores s, dp;
            RowOperand ds;
            multiply(s, q, k + columns);
            multiply(dp, d_o, v + columns);
#pragma unroll
            for (int pair = 0; pair < PAIRS; ++pair) activate(s, pair);
#pragma unroll
            for (int pair = 0; pair < PAIRS; ++pair) differentiate<MASKED>(dp, s, ds, pair, tile * TILE_N + group * 16);
            if (MASKED && CAUSAL && scrub) {
                __syncthreads();
                clear_nonfinite<16>(k, thread);
            }
            accumulate(dq, ds, k + rows);
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM) KERNEL_NAME(const __grid_constant__ BackwardParams params) {
    extern __shared__ __align__(128) unsigned char shared[];
    const Problem& problem = params.problem;

    // The tile: its rows vary fastest so that neighbours share keys in L2, the longest causal rows first.
    const int row_tiles = (problem.seq_len_q + TILE_M - 1) / TILE_M;
    const int row_tile = row_tiles - 1 - static_cast<int>(blockIdx.x % row_tiles), row0 = row_tile * TILE_M;
    const int batch = blockIdx.x / row_tiles / problem.heads_q, head = blockIdx.x / row_tiles % problem.heads_q;
    const int kv_head = head / (problem.heads_q / problem.heads_kv);
    const unsigned q_tile = shared_address(shared), do_tile = q_tile + Q_BYTES, kv_ring = do_tile + Q_BYTES;
    const int thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
    BackwardDQ b{problem, SigmoidGradient(problem), Rows(params.k, params.k_strides, batch, kv_head), Rows(params.v, params.v_strides, batch, kv_head),
                 kv_ring, row0, thread, warp, lane};

    // Load: Q and dO, then the first tiles of K and V.
    load_tile<TILE_M>(q_tile, Rows(params.q, params.q_strides, batch, head), row0, problem.seq_len_q, problem.head_dim, thread);
    load_tile<TILE_M>(do_tile, Rows(params.d_o, params.do_strides, batch, head), row0, problem.seq_len_q, problem.head_dim, thread);
    cp_async_commit();
#pragma unroll
    for (int stage = 0; stage < STAGES - 1; ++stage) b.load(stage, stage);
    cp_async_wait<STAGES - 1>();
    __syncthreads();
    const int warp_row = warp * WARP_ROWS;
    OwnRows<ROW_BLOCKS, Q_RESIDENT_STEPS> q;
    OwnRows<ROW_BLOCKS, DO_RESIDENT_STEPS> d_o;
    RowGradient dq;
    q.begin(q_tile + warp_row * ROW_BYTES, lane);
    d_o.begin(do_tile + warp_row * ROW_BYTES, lane);
    clear<ROW_BLOCKS>(dq);

    // Compute: first the tiles that every row sees whole, then those that the mask or an end cuts.
    const int last_row = min(row0 + TILE_M, problem.seq_len_q) - 1;
    const int tiles = (max(visible_keys_end(last_row, problem), 0) + TILE_N - 1) / TILE_N;
    const int whole_tiles = row0 + TILE_M <= problem.seq_len_q ? max(visible_keys_end(row0, problem), 0) / TILE_N : 0;
    bool scrubbed = false;
#pragma unroll 1
    for (int tile = 0; tile < tiles; ++tile) {
        const int stage = tile % STAGES;
        cp_async_wait<STAGES - 2>();
        __syncthreads();
        b.thread = opaque(threadIdx.x) % THREADS, b.warp = b.thread / 32, b.lane = b.thread % 32;
        b.load(tile + STAGES - 1, (tile + STAGES - 1) % STAGES);
        if (tile < whole_tiles) {
            b.consume<false>(q, d_o, dq, tile, stage, false);
        } else {
            const bool scrub = CAUSAL && __syncthreads_or(share_nonfinite<TILE_N>(b.k_stage(stage), b.thread));
            scrubbed |= scrub;
            b.consume<true>(q, d_o, dq, tile, stage, scrub);
        }
    }
    cp_async_wait<0>();

    // Store: dQ through the warp's own rows of the Q tile.
    Element* data = static_cast<Element*>(params.dq) + batch * params.dq_strides.batch + head * params.dq_strides.head +
                    (row0 + warp_row) * params.dq_strides.seq;
    store_rows(dq, problem.scale * power_of_two(-DS_SCALE_LOG2), q_tile + warp_row * ROW_BYTES, data, params.dq_strides.seq,
               problem.seq_len_q - row0 - warp_row, problem.head_dim, lane);
    if (CAUSAL && scrubbed) {  // P (1 - P) is 0 or NaN where K is not finite: NaN for the rows that see it
#pragma unroll 1
        for (int index = lane; index < WARP_ROWS * ROW_CHUNKS; index += 32) {
            const int row = index / ROW_CHUNKS, chunk = index % ROW_CHUNKS, query = row0 + warp_row + row;
            if (query >= problem.seq_len_q || chunk * 8 >= problem.head_dim) continue;
            uint4* out = reinterpret_cast<uint4*>(data + row * params.dq_strides.seq + chunk * 8);
            *out = spoil_nonfinite(*out, b.k_rows.data + chunk * 8, b.k_rows.stride, 0, visible_keys_end(query, problem));
        }
    }

    // The block's partial sum of the bias gradient, in a fixed order.
    if (params.dbias_partial != nullptr) {
        float* const shares = reinterpret_cast<float*>(shared + SHARED_BYTES - WARPS * 4);
        float sum = b.dbias;
#pragma unroll
        for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, distance);
        if (lane == 0) shares[warp] = sum;
        __syncthreads();
        if (thread != 0) return;
        for (int i = 1; i < WARPS; ++i) sum += shares[i];
        params.dbias_partial[(static_cast<long long>(head) * problem.batch + batch) * params.dbias_tiles + row_tile] =
            sum * power_of_two(-DS_SCALE_LOG2);
    }
}
