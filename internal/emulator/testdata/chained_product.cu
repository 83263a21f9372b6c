// D = bf16(A · Bᵀ) · C over tiles of rows of B and C, as a Hopper kernel pipelines it: A [64,64] stays in shared memory, the
// product with the next tile of B is in flight while that with the tile of C, whose left side comes from registers, is
// multiplied. It shows the emulator what NVRTC makes of two chains of wgmma in one loop, with multicast in a cluster of two.

typedef unsigned long long u64;

struct alignas(64) TensorMap { u64 words[16]; };

constexpr int ROWS = 64, STAGES = 2, TILE_BYTES = ROWS * 64 * 2, CLUSTER = 2;

__device__ __forceinline__ unsigned shared_address(const void* p) { return static_cast<unsigned>(__cvta_generic_to_shared(p)); }

__device__ __forceinline__ void mbarrier_init(unsigned bar, int count) { asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(count) : "memory"); }

__device__ __forceinline__ void mbarrier_expect(unsigned bar, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes) : "memory");
}

__device__ __forceinline__ void mbarrier_arrive_at(unsigned bar, int rank) {
    asm volatile(
        "{\n"
        ".reg .b32 remote;\n"
        "mapa.shared::cluster.u32 remote, %0, %1;\n"
        "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n"
        "}" ::"r"(bar), "r"(rank) : "memory");
}

__device__ __forceinline__ void mbarrier_wait(unsigned bar, unsigned parity) {
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@done bra finished;\n"
        "bra again;\n"
        "finished:\n"
        "}" ::"r"(bar), "r"(parity) : "memory");
}

__device__ __forceinline__ void tma_load(unsigned to, const TensorMap* map, unsigned bar, int x, int y) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(to), "l"(map), "r"(bar), "r"(x), "r"(y) : "memory");
}

__device__ __forceinline__ void tma_multicast(unsigned to, const TensorMap* map, unsigned bar, int x, int y, unsigned short mask) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster.L2::cache_hint [%0], [%1, {%3, %4}], [%2], %5, %6;" ::"r"(to), "l"(map), "r"(bar), "r"(x), "r"(y), "h"(mask), "l"(0x14F0000000000000ull) : "memory");
}

__device__ __forceinline__ u64 descriptor(unsigned address) { return (u64)((address & 0x3ffff) >> 4) | 1ull << 16 | 64ull << 32 | 1ull << 62; }

#define ACCUMULATORS                                                                                                                                     \
    "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                                                                            \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define IN_OUT(d)                                                                                                                                        \
    "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]),    \
        "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]),   \
        "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])

__device__ __forceinline__ void product(float (&d)[32], u64 a, u64 b, int accumulate) {
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\nwgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " ACCUMULATORS ", %32, %33, p, 1, 1, 0, 0;\n}" : IN_OUT(d) : "l"(a), "l"(b), "r"(accumulate));
}

__device__ __forceinline__ void product_from_registers(float (&d)[32], unsigned (&a)[4], u64 b) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " ACCUMULATORS ", {%32, %33, %34, %35}, %36, 1, 1, 1, 1;" : IN_OUT(d) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

template <int N>
__device__ __forceinline__ void opaque(float (&d)[N]) {
#pragma unroll
    for (int i = 0; i < N; i++) asm volatile("" : "+f"(d[i])::"memory");
}

__device__ __forceinline__ void fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int PENDING>
__device__ __forceinline__ void wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory"); }

__device__ __forceinline__ void multiply_b(float (&s)[32], unsigned a, unsigned b) {
#pragma unroll
    for (int i = 0; i < 4; i++) product(s, descriptor(a) + 2 * i, descriptor(b) + 2 * i, i > 0);
}

__device__ __forceinline__ void multiply_c(float (&o)[32], unsigned (&p)[4][4], unsigned c) {
#pragma unroll
    for (int i = 0; i < 4; i++) product_from_registers(o, p[i], descriptor(c) + 128 * i);
}

__device__ __forceinline__ void pack(unsigned (&p)[4][4], const float (&s)[32]) {
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(p[i][j]) : "f"(s[8 * i + 2 * j + 1]), "f"(s[8 * i + 2 * j]));
}

extern "C" __global__ void __cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(256, 1)
chained_product(const __grid_constant__ TensorMap map_a, const __grid_constant__ TensorMap map_b, const __grid_constant__ TensorMap map_c, float* d, int tiles) {
    extern __shared__ __align__(1024) unsigned char dynamic[];
    __shared__ __align__(8) u64 bars[1 + 4 * STAGES];
    const unsigned base = (shared_address(dynamic) + 1023) & ~1023u, bar = shared_address(bars);
    auto full_b = [&](int s) { return bar + 8 + 8 * s; };
    auto full_c = [&](int s) { return bar + 8 + 8 * (STAGES + s); };
    auto empty_b = [&](int s) { return bar + 8 + 8 * (2 * STAGES + s); };
    auto empty_c = [&](int s) { return bar + 8 + 8 * (3 * STAGES + s); };
    const unsigned tile_b = base + TILE_BYTES, tile_c = tile_b + STAGES * TILE_BYTES;
    unsigned rank;
    asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    if (threadIdx.x == 0) {
        mbarrier_init(bar, 1);
        for (int s = 0; s < STAGES; s++) {
            mbarrier_init(full_b(s), 1);
            mbarrier_init(full_c(s), 1);
            mbarrier_init(empty_b(s), CLUSTER);
            mbarrier_init(empty_c(s), CLUSTER);
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
    const int warp = __shfl_sync(~0u, threadIdx.x / 32, 0);
    if (warp >= 4) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
        if (threadIdx.x == 128) {
            mbarrier_expect(bar, TILE_BYTES);
            tma_load(base, &map_a, bar, 0, 64 * blockIdx.x);
            // Each block of the cluster fetches half of the rows for both.
            for (int t = 0; t < tiles; t++) {
                const int s = t % STAGES, parity = t / STAGES & 1;
                mbarrier_wait(empty_b(s), parity ^ 1);
                mbarrier_expect(full_b(s), TILE_BYTES);
                tma_multicast(tile_b + s * TILE_BYTES + rank * (TILE_BYTES / 2), &map_b, full_b(s), 0, ROWS * t + 32 * rank, 3);
                mbarrier_wait(empty_c(s), parity ^ 1);
                mbarrier_expect(full_c(s), TILE_BYTES);
                tma_multicast(tile_c + s * TILE_BYTES + rank * (TILE_BYTES / 2), &map_c, full_c(s), 0, ROWS * t + 32 * rank, 3);
            }
        }
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
        float o[32], sum[32];
        unsigned p[4][4];
#pragma unroll
        for (int i = 0; i < 32; i++) o[i] = 0;
        mbarrier_wait(bar, 0);
        mbarrier_wait(full_b(0), 0);
        fence();
        multiply_b(sum, base, tile_b);
        commit();
        wait<0>();
        opaque(sum);
        if (threadIdx.x < CLUSTER) mbarrier_arrive_at(empty_b(0), threadIdx.x);
        for (int t = 0; t < tiles - 1; t++) {
            const int s = t % STAGES, next = (t + 1) % STAGES;
            pack(p, sum);
            mbarrier_wait(full_b(next), (t + 1) / STAGES & 1);
            opaque(sum);
            opaque(o);
            fence();
            multiply_b(sum, base, tile_b + next * TILE_BYTES);
            commit();
            mbarrier_wait(full_c(s), t / STAGES & 1);
            multiply_c(o, p, tile_c + s * TILE_BYTES);
            commit();
            wait<1>();
            opaque(sum);
            if (threadIdx.x < CLUSTER) mbarrier_arrive_at(empty_b(next), threadIdx.x);
            wait<0>();
            opaque(o);
            if (threadIdx.x < CLUSTER) mbarrier_arrive_at(empty_c(s), threadIdx.x);
        }
        pack(p, sum);
        const int s = (tiles - 1) % STAGES;
        mbarrier_wait(full_c(s), (tiles - 1) / STAGES & 1);
        opaque(o);
        fence();
        multiply_c(o, p, tile_c + s * TILE_BYTES);
        commit();
        wait<0>();
        opaque(o);
        const int lane = threadIdx.x % 32, row = 64 * blockIdx.x + 16 * warp + lane / 4, column = lane % 4 * 2;
#pragma unroll
        for (int i = 0; i < 32; i += 2) {
            float* to = d + (size_t)(row + i / 2 % 2 * 8) * 64 + column + i / 4 * 8;
            to[0] = o[i];
            to[1] = o[i + 1];
        }
    }
    asm volatile("barrier.cluster.arrive;\nbarrier.cluster.wait;" ::: "memory");
}
