#pragma once
// What 16-bit fragments are held in.

using Register = unsigned;  // two packed 16-bit elements
