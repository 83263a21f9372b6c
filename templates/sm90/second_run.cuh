#pragma once
// A block's second run over its tiles, with care for values that are not finite: only where the first one's results turned out not to be.
#include "../common/plan.cuh"
#include "../ptx/barrier.cuh"
#include "../ptx/mbarrier.cuh"
#include "../ptx/tma.cuh"

// A barrier in its first phase; `again` where it has been in use.
__device__ __forceinline__ void begin_barrier(unsigned barrier, int arrivals, bool again) {
    if (again) mbarrier_invalidate(barrier);
    mbarrier_init(barrier, arrivals);
}

// Whether some thread's results are spoiled, so that there is a second run, with all barriers in their first phase; all threads call it.
template <class Shared>
__device__ __forceinline__ bool begin_again(const Shared& shared, bool spoiled) {
    if (!block_or(spoiled)) return false;
    fence_async_shared();  // copies come again to where this thread read or wrote
    if (threadIdx.x == 0) begin_barriers(shared, true);
    barrier_sync(0, THREADS);
    return true;
}
