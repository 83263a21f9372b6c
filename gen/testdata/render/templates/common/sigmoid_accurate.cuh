#pragma once
#include "plan.cuh"
constexpr int VOTE = HEAD_DIM;
