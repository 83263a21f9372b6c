#include "../common/plan.cuh"
#include "../common/sigmoid_gradient.cuh"
#include "../common/dtype.cuh"
extern "C" __global__ void KERNEL_NAME(int p) {}
