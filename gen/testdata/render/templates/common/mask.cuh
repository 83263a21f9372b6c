#pragma once
#include "mask_full.cuh"
