#pragma once
// A choice of the Plan; the default, so that a template compiles as it stands.
#include "slope_tile_accurate.cuh"
