#pragma once
// The kernels' parameter blocks, passed by value. internal/abi declares the same blocks for Go.

struct Strides {  // in elements; the head dim is contiguous
    long long batch, seq, head;
};

struct Problem {
    int batch, heads_q, heads_kv, seq_len_q, seq_len_k;
    int head_dim;      // the tensors' head dim, at most HEAD_DIM
    float scale;       // of the logits
    float scale_log2;  // scale * log2(e)
    float bias_log2;   // bias * log2(e)
    int zero;  // always 0, which the compiler cannot know
};

struct ForwardParams {
    const void *q, *k, *v;
    void* o;
    Strides q_strides, k_strides, v_strides, o_strides;
    Problem problem;
};

// A CUtensorMap: what asynchronous tensor copies read a tensor through.
struct alignas(64) TensorMap {
    unsigned long long words[16];
};

struct ForwardTensorParams {  // of sm_90
    TensorMap q_map, k_map, v_map, o_map;  // [head dim, sequence, head, batch]
    ForwardParams plain;
};

struct BackwardParams {
    const void *q, *k, *v, *d_o;
    void *dq, *dk, *dv;
    float* dq_accum;       // one TILE_M x HEAD_DIM block per (batch, query head, query tile), and of sm_90 counters behind; fused pass only
    float* dbias_partial;  // [heads_q][batch][dbias_tiles], or null where no bias gradient is asked for
    float* dbias;          // [heads_q], or null
    Strides q_strides, k_strides, v_strides, do_strides;
    Strides dq_strides, dk_strides, dv_strides;
    Problem problem;
    int dbias_tiles;    // partial sums per (head, batch)
    int convert_tiles;  // query tiles per (head, batch) that the finish kernel converts; 0 in deterministic mode
};

struct BackwardTensorParams {  // of sm_90's fused pass
    TensorMap q_map, k_map, v_map, do_map;  // [head dim, sequence, head, batch]
    BackwardParams plain;
};

struct BackwardDKVTensorParams {  // of sm_90's dK-dV pass
    TensorMap q_map, k_map, v_map, do_map, dk_map, dv_map;  // [head dim, sequence, head, batch]
    BackwardParams plain;
};

struct BackwardDQTensorParams {  // of sm_90's dQ pass
    TensorMap q_map, k_map, v_map, do_map, dq_map;  // [head dim, sequence, head, batch]
    BackwardParams plain;
};
