// FlashSigmoid, the end of Algorithm 2: turns the float32 sums of dQ into dQ, and sums the bias gradient.
//
// The first blocks take one tile of TILE_M query rows each; the remaining ones, one per query head, add that head's partial bias gradients.
#include "../common/plan.cuh"
#include "../common/dtype.cuh"
#include "../common/params.cuh"
#include "../common/power_of_two.cuh"
#include "../common/tile.cuh"
#include "../common/dq_accumulator.cuh"

static_assert(THREADS == WARPS * 32 && TILE_M % 16 == 0 && SHARED_BYTES == 0);

// dQ of one tile: a thread makes one 16-byte chunk at a time. Sixteen threads share a block of 16 x 8 sums, so that loads cover 128
// contiguous bytes; two blocks side by side fill 32-byte sectors of the stores.
__device__ __forceinline__ void convert(const BackwardParams& params, int batch, int head, int tile) {
    const Problem& problem = params.problem;
    const float factor = problem.scale * power_of_two(-DS_SCALE_LOG2);
    const float* const sums = dq_tile(params.dq_accum, problem, batch, head, tile);
    Element* const dq = static_cast<Element*>(params.dq) + batch * params.dq_strides.batch + head * params.dq_strides.head;
#pragma unroll 4
    for (int index = threadIdx.x; index < TILE_M * ROW_CHUNKS; index += THREADS) {
        const int pair = index / 32;
        const int row = pair / (ROW_CHUNKS / 2) * 16 + index % 16, chunk = pair % (ROW_CHUNKS / 2) * 2 + index / 16 % 2;
        float v[8];
        load_dq(v, sums + dq_block_offset(row / 16, chunk), row % 16);
        const int query = tile * TILE_M + row;
        if (query < problem.seq_len_q && chunk * 8 < problem.head_dim)
            *reinterpret_cast<uint4*>(dq + query * params.dq_strides.seq + chunk * 8) =
                make_uint4(pack(v[0] * factor, v[1] * factor), pack(v[2] * factor, v[3] * factor), pack(v[4] * factor, v[5] * factor),
                           pack(v[6] * factor, v[7] * factor));
    }
}

// The bias gradient of one head, summed in an order that depends on nothing but the sizes.
__device__ __forceinline__ void sum_dbias(const BackwardParams& params, int head) {
    __shared__ float shares[WARPS];
    const long long count = static_cast<long long>(params.problem.batch) * params.dbias_tiles;
    const float* const partial = params.dbias_partial + head * count;
    float sum = 0.0f;
    for (long long i = threadIdx.x; i < count; i += THREADS) sum += partial[i];
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, distance);
    if (threadIdx.x % 32 == 0) shares[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x != 0) return;
    for (int warp = 1; warp < WARPS; ++warp) sum += shares[warp];
    params.dbias[head] = sum;
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM) KERNEL_NAME(const __grid_constant__ BackwardParams params) {
    const Problem& problem = params.problem;
    const int conversions = params.convert_tiles * problem.heads_q * problem.batch, block = blockIdx.x;
    if (block < conversions)
        convert(params, block / params.convert_tiles / problem.heads_q, block / params.convert_tiles % problem.heads_q, block % params.convert_tiles);
    else
        sum_dbias(params, block - conversions);
}
