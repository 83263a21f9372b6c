  #  pragma   once
constexpr int VOTE = 0;
