constexpr int SLOPE = 1;
