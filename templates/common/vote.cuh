#pragma once
// Votes of a warp on how large its exponentials are, by their bits: floats that are no less than 0 are in order, and any NaN is above them.

__device__ __forceinline__ int larger(int bits, float a, float b) { return max(max(bits, __float_as_int(a)), __float_as_int(b)); }

// Whether what every lane holds is below the limit.
__device__ __forceinline__ bool all_below(int bits, float limit) { return __all_sync(0xffffffffu, bits < __float_as_int(limit)); }
