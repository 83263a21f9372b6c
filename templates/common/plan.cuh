#pragma once
// The Plan's constants; the generator emits them in this file's place. These are one plan's, so that a template compiles as it stands.
#define KERNEL_NAME sigattn_plan_example
constexpr int HEAD_DIM = 128;
constexpr int TILE_M = 128;
constexpr int TILE_N = 32;
constexpr int STAGES = 3;
constexpr int WARPS = 4;
constexpr int THREADS = 128;
constexpr int BLOCKS_PER_SM = 2;
constexpr int SHARED_BYTES = 81920;
constexpr int GROUP = 16;
constexpr int Q_RESIDENT_STEPS = 6;
constexpr bool PACED = false;
constexpr int Q_TILES = 2;
constexpr bool SPLIT = false;
constexpr bool ACCUMULATE_DQ = true;
constexpr bool ORDERED = false;
