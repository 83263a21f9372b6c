#pragma once
// The order of a 16 x 8 block of dQ: 32 x 4 floats, lane, accumulator register. A lane adds its four at a time, which sm_90 can.

__device__ __forceinline__ int dq_order(int row, int column) { return (row % 8 * 4 + column / 2) * 4 + row / 8 * 2 + column % 2; }

// Eight neighbours of a row, whose block starts at `block`.
__device__ __forceinline__ void load_dq(float (&v)[8], const float* block, int row) {
#pragma unroll
    for (int i = 0; i < 8; i += 2) {
        const float2 pair = *reinterpret_cast<const float2*>(block + dq_order(row, i));
        v[i] = pair.x, v[i + 1] = pair.y;
    }
}
