#pragma once
// Powers of two by which P and dS are scaled.

// 2^exponent, of a constant.
__device__ constexpr float power_of_two(int exponent) {
    return exponent < 0 ? 1.0f / static_cast<float>(1ll << -exponent) : static_cast<float>(1ll << exponent);
}
