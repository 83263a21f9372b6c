#pragma once
// Values that all lanes of a warp share.

// The first lane's value: the compiler keeps what follows from it in the warp's own registers, of which there are plenty.
__device__ __forceinline__ int uniform(int value) { return __shfl_sync(0xffffffffu, value, 0); }
