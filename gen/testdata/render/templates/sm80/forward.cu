// The root's own first comment.
#include "../common/plan.cuh"
#include "../common/dtype.cuh"
#include "../common/mask.cuh"   // a choice
#include "../common/sigmoid.cuh"
#include "../common/tile.cuh"



extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM) KERNEL_NAME(int p) {  
    asm volatile("{ unbalanced in a string (" ::);
    char c = '}';  // and ] in a comment
}
