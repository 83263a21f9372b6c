#pragma once
constexpr bool CAUSAL = true;
