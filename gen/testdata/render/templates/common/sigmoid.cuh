#pragma once
#include "sigmoid_accurate.cuh"
