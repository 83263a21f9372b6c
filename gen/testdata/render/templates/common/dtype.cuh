#include "dtype_bf16.cuh"
