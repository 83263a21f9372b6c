#include "sigmoid_tanh.cuh"
constexpr int SLOPE = 2;
