package verify

// equivalent are the mutants that change no result and break no rule, with the reason. A mutant of one line alone has its
// number, and one of some lines theirs, which move with the kernel.
var equivalent = map[string]string{
	"fwd_sm90_d128: accumulator not cleared":                                                           "the sum is only asked whether it is -inf",
	"fwd_sm90_d128: mbarrier arrival dropped, 10 of 21":                                                "the loop over pairs, before it, has given Q's place back",
	"fwd_sm90_d128: mbarrier arrival twice, 10 of 21":                                                  "the loop over pairs, before it, has given Q's place back",
	"fwd_sm90_d128: mbarrier arrival dropped, 18 to 21 of 21":                                          "the last places of V and Q are filled no more",
	"fwd_sm90_d128: mbarrier arrival twice, 18 to 21 of 21":                                            "the last places of V and Q are filled no more",
	"fwd_sm90_d128: one arrival more, 5 of 54":                                                         "only a second run, which has other barriers, cleans values",
	"fwd_sm90_d128: one arrival more, 10 of 54":                                                        "only a second run, which has other barriers, cleans values",
	"fwd_sm90_d128: one arrival more, 37 to 54 of 54":                                                  "the producer's first thread alone initialises, and this is the consumers' copy",
	"fwd_sm90_d128: place reused before it is read, 2 of 7":                                            "the loop over pairs, before it, has given Q's place back",
	"fwd_sm90_d128: place reused before it is read, 6 to 7 of 7":                                       "Q's last place is filled no more",
	"fwd_sm90_d128: registers not fenced, 3 of 11":                                                     "the fence before the other product covers it, and no O is stored between",
	"fwd_sm90_d128: registers not fenced, 5 of 11":                                                     "the fence before the other product covers it, and no O is stored between",
	"fwd_sm80_d128: accumulator not cleared":                                                           "the sum is only asked whether it is -inf",
	"fwd_sm80_d128: bound one further":                                                                 "the other operand of every product with that column is zero",
	"bwd_sm80_d128: all instead of any":                                                                "the vote is there for its barrier",
	"bwddkv_sm80_d128: accumulator not cleared":                                                        "the sum is only asked whether it is -inf",
	"bwddkv_sm80_d128: bound one further":                                                              "the other operand of every product with that column is zero",
	"bwddkv_sm80_d128: bound one nearer":                                                               "the last query sees every key, so that the loop always has a row",
	"bwddkv_sm80_d128: all instead of any":                                                             "the vote is there for its barrier",
	"bwddq_sm80_d128: two groups not waited for":                                                       "no fragment is kept at this head dim, and the loop waits for every group before it reads",
	"bwddq_sm80_d128: sign of the exponent":                                                            "only the sigmoid's slope is used, which is even",
	"bwddq_sm80_d128: all instead of any":                                                              "the vote is on a value that every thread has already",
	"bwddq_sm90_d128: phase not waited for, mbarrier_wait(shared.k_full(k_slot(key)), k_parity(key));": "it only counts tiles that pass, and the wait for V keeps it from running ahead",
	"bwddq_sm90_d128: phase not waited for, mbarrier_wait(shared.v_full(v_slot(key)), v_parity(key));": "it only counts tiles that pass, and the wait for K keeps it from running ahead",
	"bwddq_sm90_d128: bound one further, const int plain = row0() + 64 > problem.seq_len_q || CAUSAL && careful ? 0 : rows.cut(problem);:9": "rows that end with the tile take the general step, which hides nothing",
	"bwddq_sm90_d128: bound one nearer, const int plain = row0() + 64 > problem.seq_len_q || CAUSAL && careful ? 0 : rows.cut(problem);:9":  "the row beyond the end has a dO of 0, and key tiles that it is seen with hold nothing infinite",
	"bwddq_sm90_d128: bound one further, while (++key < keys) {:9":                                                                          "nothing comes in the place of the last tile",
	"bwddq_sm90_d128: bound one nearer, const int keys = row0() < problem.seq_len_q ? rows.keys(row0() + 64, problem) : 1;:9":               "rows beyond the end may take key tiles too: they are not stored",
}
