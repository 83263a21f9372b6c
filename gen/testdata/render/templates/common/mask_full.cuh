#pragma once
constexpr bool CAUSAL = false;
