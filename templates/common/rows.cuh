#pragma once
// Tensors in global memory.
#include "params.cuh"

using Element = unsigned short;  // bf16 or fp16, as raw bits

// A view of one head of one batch entry: the first row's address and the distance between rows.
struct Rows {
    const Element* data;
    long long stride;  // elements

    __device__ __forceinline__ Rows(const void* tensor, const Strides& s, int batch, int head)
        : data(static_cast<const Element*>(tensor) + batch * s.batch + head * s.head), stride(s.seq) {}
    __device__ __forceinline__ const Element* row(int i) const { return data + i * stride; }
};
