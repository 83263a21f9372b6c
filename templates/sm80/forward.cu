// FlashSigmoid, Algorithm 1: O = sigma(scale * Q K^T + bias) V for one tile of TILE_M query rows of one head.
//
// A warp owns WARP_ROWS query rows: their O accumulators and most of their Q fragments stay in its registers from first to last. Keys stream
// through a ring of STAGES tiles in shared memory and are taken GROUP at a time. Sigmoid needs no row statistics, so groups are independent,
// and a step of the loop works on three of them side by side, none waiting for another:
//
//     O += P(before) V(before)      S(next) = Q K(next)^T      P = sigma(S)
#include "../common/plan.cuh"
#include "../common/dtype.cuh"
#include "../common/mask.cuh"
#include "../common/params.cuh"
#include "../common/sigmoid.cuh"
#include "../common/tile.cuh"
#include "../common/nonfinite_tile.cuh"
#include "../ptx/opaque.cuh"

constexpr int WARP_ROWS = TILE_M / WARPS;
constexpr int M_BLOCKS = WARP_ROWS / 16;
constexpr int N_BLOCKS = GROUP / 8;
constexpr int GROUPS = TILE_N / GROUP;  // per tile
constexpr int PAIRS = M_BLOCKS * N_BLOCKS * 2;  // packed registers of P per lane and group
constexpr int KEY_BLOCKS = GROUP / 16;
constexpr int Q_BYTES = TILE_M * ROW_BYTES;
constexpr int KV_BYTES = TILE_N * ROW_BYTES;
static_assert(THREADS == WARPS * 32 && WARP_ROWS % 16 == 0 && TILE_N % (2 * GROUP) == 0 && STAGES >= 3);

// Shared memory: Q | the ring of K | the ring of V. Where the plan has no room for that, Q, whole in registers, leaves its place to the rings.
constexpr int RING_BYTES = 2 * STAGES * KV_BYTES;
constexpr bool Q_IN_RING = SHARED_BYTES < Q_BYTES + RING_BYTES;
static_assert(SHARED_BYTES == (Q_IN_RING ? RING_BYTES : Q_BYTES + RING_BYTES));
static_assert(!Q_IN_RING || (Q_RESIDENT_STEPS == K_STEPS && Q_BYTES <= RING_BYTES));

using Scores = float[M_BLOCKS][N_BLOCKS][4];             // accumulators of Q K^T
using Probabilities = Register[M_BLOCKS][2 * N_BLOCKS];  // packed: four registers are the A operand for 16 keys

__device__ __forceinline__ void clear(Scores& s) {
#pragma unroll
    for (int mb = 0; mb < M_BLOCKS; ++mb)
#pragma unroll
        for (int i = 0; i < 4 * N_BLOCKS; ++i) s[mb][i / 4][i % 4] = 0.0f;
}

struct Forward {
    const Problem& problem;
    const Rows k_rows, v_rows;
    const unsigned q_tile, k_ring, v_ring;
    const int row0;
    float scale, bias;  // of the sigmoid's exponent
    int stage = 0;      // of the tile being consumed

    Register q[M_BLOCKS][Q_RESIDENT_STEPS][4];
    float o[M_BLOCKS][HEAD_DIM / 8][4];
    Scores s[2];         // of even and of odd groups
    Probabilities p[2];
    bool pending = false;             // whether the last group's P still waits for its V
    bool cleared = false;             // whether values had to be kept from rows that do not see them

    // Starts the copy of one tile of keys and values. Beyond the last tile this fills zeros, which the look-ahead product reads.
    __device__ __forceinline__ void load(int tile, int to) {
        load_tile<TILE_N>(k_ring + to * KV_BYTES, k_rows, tile * TILE_N, problem.seq_len_k, problem.head_dim, thread_index());
        load_tile<TILE_N>(v_ring + to * KV_BYTES, v_rows, tile * TILE_N, problem.seq_len_k, problem.head_dim, thread_index());
        cp_async_commit();
    }

    // What one step of a group's products reads: 16 of K's columns for Q K^T, as many of V's for P V.
    struct Fragments {
        Register k[KEY_BLOCKS][4], v[KEY_BLOCKS][4], q[M_BLOCKS][4];
    };

    __device__ __forceinline__ void read_keys(Fragments& f, unsigned queries, unsigned keys, int step) {
#pragma unroll
        for (int i = 0; i < KEY_BLOCKS; ++i) load_matrix_x4(f.k[i], at_step(keys + i * 16 * ROW_BYTES, step));
        if (step >= Q_RESIDENT_STEPS)
#pragma unroll
            for (int mb = 0; mb < M_BLOCKS; ++mb) load_matrix_x4(f.q[mb], at_step(queries + mb * 16 * ROW_BYTES, step));
    }

    __device__ __forceinline__ void read_values(Fragments& f, unsigned values, int step) {
#pragma unroll
        for (int i = 0; i < KEY_BLOCKS; ++i) load_matrix_x4_transposed(f.v[i], at_step(values + i * 16 * ROW_BYTES, step));
    }

    __device__ __forceinline__ void read(Fragments& f, unsigned queries, unsigned keys, unsigned values, int step) {
        read_values(f, values, step);
        read_keys(f, queries, keys, step);
    }

    // One packed pair of P from two neighbouring scores; the accurate sigmoid leaves their e in S for the long form.
    template <bool MASKED>
    __device__ __forceinline__ Register activate(Scores& s, Probabilities& p, int pair, int key) {
        const int mb = pair / (2 * N_BLOCKS), n = pair / 2 % N_BLOCKS, r = pair % 2;
        float &low = s[mb][n][2 * r], &high = s[mb][n][2 * r + 1];
        low = sigmoid_begin(low, scale, bias);
        high = sigmoid_begin(high, scale, bias);
        if constexpr (MASKED) {
            const int self = thread_index(), lane = self % 32, first_row = row0 + self / 32 * WARP_ROWS + lane / 4;
            const int column = key + 8 * n + 2 * (lane & 3), end = visible_keys_end(first_row + mb * 16 + 8 * r, problem);
            if (column >= end) low = SIGMOID_HIDDEN;
            if (column + 1 >= end) high = SIGMOID_HIDDEN;
        }
        return p[mb][2 * n + r] = pack(sigmoid_short(low), sigmoid_short(high));
    }

    __device__ __forceinline__ void multiply_queries(Scores& s, const Fragments& f, int step) {
#pragma unroll
        for (int i = 0; i < KEY_BLOCKS; ++i)
#pragma unroll
            for (int mb = 0; mb < M_BLOCKS; ++mb) {
                Register a[4];
#pragma unroll
                for (int r = 0; r < 4; ++r) a[r] = step < Q_RESIDENT_STEPS ? q[mb][min(step, Q_RESIDENT_STEPS - 1)][r] : f.q[mb][r];
                mma(s[mb][2 * i], a, f.k[i][0], f.k[i][1]);
                mma(s[mb][2 * i + 1], a, f.k[i][2], f.k[i][3]);
            }
    }

    __device__ __forceinline__ void multiply_values(const Probabilities& p, const Fragments& f, int step) {
#pragma unroll
        for (int i = 0; i < KEY_BLOCKS; ++i)
#pragma unroll
            for (int mb = 0; mb < M_BLOCKS; ++mb) {
                const Register a[4] = {p[mb][4 * i], p[mb][4 * i + 1], p[mb][4 * i + 2], p[mb][4 * i + 3]};
                mma(o[mb][2 * step], a, f.v[i][0], f.v[i][1]);
                mma(o[mb][2 * step + 1], a, f.v[i][2], f.v[i][3]);
            }
    }

    // An address that must not be read before `p` is made. ptxas likes to gather a group's sigmoids behind its products; where PACED, the
    // reads of each step wait for the sigmoids of the step before, which spreads them.
    __device__ __forceinline__ unsigned paced(unsigned address, Register p) const {
        return PACED ? address | p & problem.zero : address;
    }

    // The three products side by side. `s` and `p` are this group's; `other` are the buffers of the group before, whose P is settled and
    // multiplied, and whose S the next group's takes over.
    template <bool MASKED>
    __device__ __forceinline__ void advance(Scores& s, Probabilities& p, Scores& other_s, Probabilities& other_p, int key, unsigned next_keys,
                                            unsigned values_before) {
        Fragments f[2];
        const unsigned queries = Q_RESIDENT_STEPS < K_STEPS ? query_rows() : 0;
        read(f[0], queries, next_keys, values_before, 0);
        sigmoid_settle(other_s, other_p);
        clear(other_s);
        Register latest = 0;
#pragma unroll
        for (int step = 0; step < K_STEPS; ++step) {
            if (step + 1 < K_STEPS) read(f[(step + 1) % 2], queries, paced(next_keys, latest), values_before, step + 1);
            multiply_values(other_p, f[step % 2], step);
            multiply_queries(other_s, f[step % 2], step);
#pragma unroll
            for (int pair = 0; pair < PAIRS; ++pair)
                if (pair * K_STEPS / PAIRS == step) latest = activate<MASKED>(s, p, pair, key);
        }
        pending = true;
    }

    // O += P V of the last group, which no later one takes along.
    __device__ __forceinline__ void finish(Scores& s, Probabilities& p, unsigned values) {
        if (!pending) return;
        pending = false;
        sigmoid_settle(s, p);
#pragma unroll
        for (int step = 0; step < K_STEPS; ++step) {
            Fragments f;
            read_values(f, values, step);
            multiply_values(p, f, step);
        }
    }

    // Signed: of an unsigned index the assembler makes code that spills.
    static __device__ __forceinline__ int self() { return thread_index(); }

    // Where the lane reads fragments: of its Q rows, of a group of K, of a group of V.
    __device__ __forceinline__ unsigned query_rows() const {
        const int self = thread_index();
        return rows_fragment(q_tile + self / 32 * WARP_ROWS * ROW_BYTES, self % 32);
    }
    __device__ __forceinline__ unsigned keys(int stage, int group) const { return columns_fragment(k_ring + place(stage, group), self() % 32); }
    __device__ __forceinline__ unsigned values(int stage, int group) const { return rows_fragment(v_ring + place(stage, group), self() % 32); }

    // The place of a group within a ring: its first row's offset.
    static __device__ __forceinline__ unsigned place(int stage, int group) { return stage * KV_BYTES + group * GROUP * ROW_BYTES; }

    // Takes one tile from the ring: on entry s[0] holds the scores of its first group, on return those of the next tile's.
    template <bool MASKED>
    __device__ __forceinline__ void consume(int tile) {
        const int before = stage == 0 ? STAGES - 1 : stage - 1, after = stage + 1 == STAGES ? 0 : stage + 1;
        if constexpr (MASKED && CAUSAL) cleared |= clear_nonfinite<TILE_N>(v_ring + stage * KV_BYTES, thread_index());
#pragma unroll
        for (int group = 0; group < GROUPS; ++group) {
            if (group == GROUPS - 1) {  // the look-ahead enters the next tile; every warp has left the one before this
                cp_async_wait<STAGES - 3>();
                __syncthreads();
                load(tile + STAGES - 1, before);
            }
            const int key = tile * TILE_N + group * GROUP, now = group % 2, other = 1 - now;
            const unsigned next_keys = group + 1 < GROUPS ? keys(stage, group + 1) : keys(after, 0);
            const unsigned values_before = group > 0 ? values(stage, group - 1) : values(before, GROUPS - 1);
            if (MASKED && key >= visible_keys_end(row0 + (self() / 32 + 1) * WARP_ROWS - 1, problem))
                finish(s[other], p[other], values_before);
            else
                advance<MASKED>(s[now], p[now], s[other], p[other], key, next_keys, values_before);
        }
        stage = after;
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM) KERNEL_NAME(const __grid_constant__ ForwardParams params) {
    extern __shared__ __align__(128) unsigned char shared[];
    const Problem& problem = params.problem;
    const int thread = threadIdx.x, warp = thread / 32, lane = thread % 32;

    // The tile: its rows vary fastest so that neighbours share keys in L2, the longest causal rows first.
    const int row_tiles = (problem.seq_len_q + TILE_M - 1) / TILE_M;
    const int row0 = (row_tiles - 1 - static_cast<int>(blockIdx.x % row_tiles)) * TILE_M;
    const int batch = blockIdx.x / row_tiles / problem.heads_q, head = blockIdx.x / row_tiles % problem.heads_q;
    const int kv_head = head / (problem.heads_q / problem.heads_kv);
    const unsigned q_tile = shared_address(shared), k_ring = q_tile + (Q_IN_RING ? 0 : Q_BYTES), v_ring = k_ring + STAGES * KV_BYTES;

    Forward f{problem, Rows(params.k, params.k_strides, batch, kv_head), Rows(params.v, params.v_strides, batch, kv_head),
              q_tile, k_ring, v_ring, row0, sigmoid_scale(problem.scale_log2), sigmoid_bias(problem.bias_log2)};

    // Load: Q, then the first tiles of K and V.
    load_tile<TILE_M>(q_tile, Rows(params.q, params.q_strides, batch, head), row0, problem.seq_len_q, problem.head_dim, thread);
    cp_async_commit();
    const auto load_first_tiles = [&] {
#pragma unroll
        for (int tile = 0; tile < STAGES - 1; ++tile) f.load(tile, tile);
    };
    if constexpr (!Q_IN_RING) load_first_tiles();
#pragma unroll
    for (int mb = 0; mb < M_BLOCKS; ++mb) {
#pragma unroll
        for (int n = 0; n < HEAD_DIM / 8; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) f.o[mb][n][i] = 0.0f;
    }
    const unsigned queries = f.query_rows();
    cp_async_wait<Q_IN_RING ? 0 : STAGES - 1>();
    __syncthreads();
#pragma unroll
    for (int mb = 0; mb < M_BLOCKS; ++mb)
#pragma unroll
        for (int step = 0; step < Q_RESIDENT_STEPS; ++step) load_matrix_x4(f.q[mb][step], at_step(queries + mb * 16 * ROW_BYTES, step));
    if constexpr (Q_IN_RING) {
        __syncthreads();
        load_first_tiles();
    }

    // The group before the first: P = 0 of values 0.
    clear(f.s[1]);
#pragma unroll
    for (int i = 0; i < PAIRS; ++i) f.p[1][i / (2 * N_BLOCKS)][i % (2 * N_BLOCKS)] = 0;
    for (int i = thread * 16; i < GROUP * ROW_BYTES; i += THREADS * 16)
        *reinterpret_cast<uint4*>(shared + (v_ring - q_tile) + Forward::place(STAGES - 1, GROUPS - 1) + i) = make_uint4(0, 0, 0, 0);

    // Compute: first the tiles that every row sees whole, then those that the mask cuts (the diagonal and the ragged end).
    const int last_row = min(row0 + TILE_M, problem.seq_len_q) - 1;
    const int tiles = (max(visible_keys_end(last_row, problem), 0) + TILE_N - 1) / TILE_N;
    const int whole_tiles = max(visible_keys_end(row0, problem), 0) / TILE_N;
    cp_async_wait<STAGES - 2>();
    __syncthreads();
    clear(f.s[0]);
#pragma unroll
    for (int step = 0; step < K_STEPS; ++step) {
        Forward::Fragments first;
        f.read_keys(first, queries, f.keys(0, 0), step);
        f.multiply_queries(f.s[0], first, step);
    }
    for (int tile = 0; tile < whole_tiles; ++tile) f.consume<false>(tile);
    for (int tile = whole_tiles; tile < tiles; ++tile) f.consume<true>(tile);
    f.finish(f.s[1], f.p[1], f.values(f.stage == 0 ? STAGES - 1 : f.stage - 1, GROUPS - 1));
    cp_async_wait<0>();
    if constexpr (Q_IN_RING) __syncthreads();

    // Store: O through this warp's own rows of the Q tile, so that it leaves in whole 16-byte chunks.
    __syncwarp();  // other lanes may have read the rows
    constexpr float unscale = 1.0f / (1 << P_SCALE_LOG2);
    const int warp_row = warp * WARP_ROWS;
#pragma unroll
    for (int mb = 0; mb < M_BLOCKS; ++mb)
#pragma unroll
        for (int n = 0; n < HEAD_DIM / 8; ++n)
#pragma unroll
            for (int r = 0; r < 2; ++r) {
                const int row = warp_row + mb * 16 + lane / 4 + 8 * r;
                *reinterpret_cast<Register*>(shared + chunk_offset(row, n) + 4 * (lane & 3)) =
                    pack(f.o[mb][n][2 * r] * unscale, f.o[mb][n][2 * r + 1] * unscale);
            }
    __syncwarp();
    Element* o = static_cast<Element*>(params.o) + batch * params.o_strides.batch + head * params.o_strides.head;
#pragma unroll 4
    for (int index = lane; index < WARP_ROWS * ROW_CHUNKS; index += 32) {
        const int row = row0 + warp_row + index / ROW_CHUNKS, chunk = index % ROW_CHUNKS;
        if (row < problem.seq_len_q && chunk * 8 < problem.head_dim)
            *reinterpret_cast<uint4*>(o + row * params.o_strides.seq + chunk * 8) =
                *reinterpret_cast<const uint4*>(shared + chunk_offset(row - row0, chunk));
    }
    if constexpr (CAUSAL)
        if (f.cleared) {
#pragma unroll 1
            for (int index = lane; index < WARP_ROWS * ROW_CHUNKS; index += 32) {
                const int row = row0 + warp_row + index / ROW_CHUNKS, chunk = index % ROW_CHUNKS;
                if (row >= problem.seq_len_q || chunk * 8 >= problem.head_dim) continue;
                uint4* out = reinterpret_cast<uint4*>(o + row * params.o_strides.seq + chunk * 8);
                *out = add_nonfinite(*out, f.v_rows.data + chunk * 8, f.v_rows.stride, whole_tiles * TILE_N, visible_keys_end(row, problem),
                                     Rows(params.q, params.q_strides, batch, head).row(row), f.k_rows, problem.head_dim, problem.scale);
            }
        }
}
