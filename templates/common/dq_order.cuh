#pragma once
// A choice of the Plan; the default, so that a template compiles as it stands.
#include "dq_order_register.cuh"
