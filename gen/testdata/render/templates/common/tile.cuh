#pragma once
#include "../ptx/mma.cuh"
struct Tile {};
