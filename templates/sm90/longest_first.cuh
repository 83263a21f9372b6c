#pragma once
// The order in which a backward kernel's blocks take the tiles of all heads.
#include "../common/mask.cuh"

struct HeadTile {
    int head, tile;  // of all batch entries' heads; of the head, the longest first under the causal mask
};

// A head's tiles follow each other so that neighbours share what they read in L2. Under the causal mask the last heads take turns, so that what is
// left for the end is short.
__device__ __forceinline__ HeadTile longest_first(int index, int tiles, int heads) {
    constexpr int LAST = 264;  // tiles: two for each SM of an H100
    const int turns = min(heads, (LAST + tiles - 1) / tiles), rest = index - (heads - turns) * tiles;
    if (!CAUSAL || rest < 0) return {index / tiles, index % tiles};
    return {heads - turns + rest % turns, rest / turns};
}
