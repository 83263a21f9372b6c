// A kernel of warpgroups.
#include "../common/plan.cuh"
#include "../common/dtype.cuh"

using Register = unsigned;
using Descriptor = unsigned long long;
#include "../ptx/wgmma_products.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM) KERNEL_NAME(int p) {}
