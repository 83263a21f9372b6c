#pragma once
// bf16.
#include "../ptx/mma.cuh"
constexpr int DTYPE = 1;
