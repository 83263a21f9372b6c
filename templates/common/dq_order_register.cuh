#pragma once
// The order of a 16 x 8 block of dQ: 4 x 32 floats, accumulator register, lane. A warp adds one register at a time.

__device__ __forceinline__ int dq_order(int row, int column) { return (row / 8 * 2 + column % 2) * 32 + row % 8 * 4 + column / 2; }

// Eight neighbours of a row, whose block starts at `block`: elements of one column parity are neighbours.
__device__ __forceinline__ void load_dq(float (&v)[8], const float* block, int row) {
    const float4 even = *reinterpret_cast<const float4*>(block + dq_order(row, 0)), odd = *reinterpret_cast<const float4*>(block + dq_order(row, 1));
    v[0] = even.x, v[2] = even.y, v[4] = even.z, v[6] = even.w;
    v[1] = odd.x, v[3] = odd.y, v[5] = odd.z, v[7] = odd.w;
}
