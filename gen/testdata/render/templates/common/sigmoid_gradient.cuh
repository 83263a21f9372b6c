#pragma once
#include "sigmoid_gradient_accurate.cuh"
