#pragma once
// Clusters: blocks that run together and read each other's shared memory (sm_90 and later). A launch without clusters has them of one block.

// The block's number in its cluster, and how many there are.
__device__ __forceinline__ int cluster_rank() {
    unsigned rank;
    asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return rank;
}
__device__ __forceinline__ int cluster_blocks() {
    unsigned blocks;
    asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(blocks));
    return blocks;
}

// What the address in this block's shared memory is in another block's.
__device__ __forceinline__ unsigned cluster_address(unsigned smem, int rank) {
    unsigned address;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(address) : "r"(smem), "r"(rank));
    return address;
}

__device__ __forceinline__ unsigned load_cluster(unsigned address) {
    unsigned value;
    asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(value) : "r"(address) : "memory");
    return value;
}
__device__ __forceinline__ void load_cluster(unsigned address, float (&v)[4]) {
    asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(v[0]), "=f"(v[1]), "=f"(v[2]), "=f"(v[3]) : "r"(address) : "memory");
}

// Waits for every thread of the cluster that has not ended; what they wrote before is seen behind it.
__device__ __forceinline__ void cluster_barrier() {
    __syncwarp();  // the barrier counts warps
    asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}
