// C = A · Bᵀ of one tile after another along K, as a Hopper kernel does it: a producer warp loads tiles of A [M,K] and
// B [N,K] by TMA into a ring of stages, one warpgroup multiplies them, and the result leaves through shared memory.
// It shows the emulator what NVRTC makes of such a kernel.

typedef unsigned long long u64;
typedef unsigned short u16;

struct alignas(64) TensorMap { u64 words[16]; };

constexpr int TILE_M = 64, TILE_N = 64, TILE_K = 64, STAGES = 2;
constexpr int A_BYTES = TILE_M * TILE_K * 2, B_BYTES = TILE_N * TILE_K * 2;

__device__ __forceinline__ unsigned shared_address(const void* p) { return static_cast<unsigned>(__cvta_generic_to_shared(p)); }

__device__ __forceinline__ void mbarrier_init(unsigned bar, int count) { asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(count) : "memory"); }

__device__ __forceinline__ void mbarrier_expect(unsigned bar, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes) : "memory");
}

__device__ __forceinline__ void mbarrier_arrive(unsigned bar) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(bar) : "memory"); }

__device__ __forceinline__ void mbarrier_wait(unsigned bar, unsigned parity) {
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@!done bra again;\n"
        "}" ::"r"(bar), "r"(parity) : "memory");
}

__device__ __forceinline__ void tma_load(unsigned to, const TensorMap* map, unsigned bar, int x, int y) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(to), "l"(map), "r"(bar), "r"(x), "r"(y) : "memory");
}

__device__ __forceinline__ u64 descriptor(unsigned address) { return (u64)((address & 0x3ffff) >> 4) | 1ull << 16 | 64ull << 32 | 1ull << 62; }

__device__ __forceinline__ void product(float (&d)[32], u64 a, u64 b, int accumulate) {
    asm volatile(
        "{\n"
        ".reg .pred p;\n"
        "setp.ne.b32 p, %34, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, %32, %33, p, 1, 1, 0, 0;\n"
        "}"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]),
          "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]),
          "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])
        : "l"(a), "l"(b), "r"(accumulate));
}

__device__ __forceinline__ void opaque(float (&d)[32]) {
#pragma unroll
    for (int i = 0; i < 32; i++) asm volatile("" : "+f"(d[i])::"memory");
}

extern "C" __global__ void __launch_bounds__(256, 1)
tile_product(const __grid_constant__ TensorMap map_a, const __grid_constant__ TensorMap map_b, const __grid_constant__ TensorMap map_c, int steps) {
    extern __shared__ __align__(1024) unsigned char dynamic[];
    __shared__ __align__(8) u64 full[STAGES], empty[STAGES];
    const unsigned base = (shared_address(dynamic) + 1023) & ~1023u;
    const int warp = __shfl_sync(~0u, threadIdx.x / 32, 0), lane = threadIdx.x % 32;
    if (threadIdx.x == 0) {
        for (int s = 0; s < STAGES; s++) {
            mbarrier_init(shared_address(&full[s]), 1);
            mbarrier_init(shared_address(&empty[s]), 1);
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    const int m = blockIdx.x * TILE_M, n = blockIdx.y * TILE_N;
    if (warp >= 4) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        if (warp == 4) {
            unsigned elected;
            asm volatile("{\n.reg .pred p;\nelect.sync _|p, 0xffffffff;\nselp.u32 %0, 1, 0, p;\n}" : "=r"(elected));
            if (elected) {
                asm volatile("prefetch.tensormap [%0];" ::"l"(&map_a) : "memory");
                asm volatile("prefetch.tensormap [%0];" ::"l"(&map_b) : "memory");
                for (int k = 0; k < steps; k++) {
                    const int s = k % STAGES;
                    mbarrier_wait(shared_address(&empty[s]), (k / STAGES & 1) ^ 1);
                    const unsigned bar = shared_address(&full[s]), to = base + s * (A_BYTES + B_BYTES);
                    mbarrier_expect(bar, A_BYTES + B_BYTES);
                    tma_load(to, &map_a, bar, k * TILE_K, m);
                    tma_load(to + A_BYTES, &map_b, bar, k * TILE_K, n);
                }
            }
        }
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 208;");
        float acc[32];
#pragma unroll
        for (int i = 0; i < 32; i++) acc[i] = 0;
        for (int k = 0; k < steps; k++) {
            const int s = k % STAGES;
            mbarrier_wait(shared_address(&full[s]), k / STAGES & 1);
            const u64 a = descriptor(base + s * (A_BYTES + B_BYTES)), b = a + (A_BYTES >> 4);
            opaque(acc);
            asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
            for (int i = 0; i < TILE_K / 16; i++) product(acc, a + 2 * i, b + 2 * i, 1);
            asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
            asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
            opaque(acc);
            if (threadIdx.x == 0) mbarrier_arrive(shared_address(&empty[s]));
        }
        // Epilogue: bf16 through shared memory, rows of 128 bytes with the swizzle of the tensor map.
        const unsigned out = base + STAGES * (A_BYTES + B_BYTES);
#pragma unroll
        for (int chunk = 0; chunk < 4; chunk++) {
            unsigned packed[4];
#pragma unroll
            for (int i = 0; i < 4; i++)
                asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed[i]) : "f"(acc[8 * chunk + 2 * i + 1]), "f"(acc[8 * chunk + 2 * i]));
            const int row = 16 * warp + lane % 8 + 8 * (lane / 8 & 1), column = 2 * chunk + lane / 16;
            const unsigned to = out + row * 128 + ((column ^ (row & 7)) << 4);
            asm volatile("stmatrix.sync.aligned.m8n8.x4.shared::cta.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(packed[0]), "r"(packed[1]), "r"(packed[2]), "r"(packed[3]) : "memory");
        }
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        asm volatile("bar.sync 1, 128;" ::: "memory");
        if (threadIdx.x == 0) {
            asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%1, %2}], [%3];" ::"l"(&map_c), "r"(n), "r"(m), "r"(out) : "memory");
            asm volatile("cp.async.bulk.commit_group;" ::: "memory");
            asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
        }
    }
}
