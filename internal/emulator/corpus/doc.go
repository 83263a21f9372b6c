// Package corpus holds the emulator to what a GPU does: small PTX programs, one or more for each form that the emulator
// knows, and in testdata what a chip made of each.
//
// Programs lists them. Their texts and inputs are made here, deterministically, so the source is the generator; the test
// binary's -dump DIR writes the texts. A recording NAME.golden names the device and the driver it came from and holds a
// digest of the program: one that was changed since is refused until it is recorded again. A program without a
// recording is skipped, and is still compared with what plain Go computes for it.
//
// To record on a machine with a GPU, whose driver compiles the PTX:
//
//	go test ./internal/emulator/corpus -run 'TestRecord|TestGolden' -update -v
//
// and where that machine has no Go, with a binary made elsewhere, which needs nothing beside it:
//
//	CGO_ENABLED=0 go test -c -o corpus.test ./internal/emulator/corpus
//	./corpus.test -test.run 'TestRecord|TestGolden' -test.v -test.timeout 120s -update -out DIR
//
// Without -out the recordings go to testdata of the working directory. Programs for an architecture that the device lacks
// are left as they were; -only REGEXP records some.
//
// A program for a later architecture says so by its target, and a device that does not suit it leaves it out. It may ask
// for any block, dynamic shared memory and, by a directive of its entry, clusters.
//
// # What is the same
//
// Results are the same bits, with three exceptions, each a field of Output:
//
//   - Of float arithmetic, neg and abs among it, conversions, minima and maxima, any NaN equals any NaN (Rule); moves,
//     selections, loads and stores keep a NaN's bits.
//   - Approximations (Output.Near): the chip's result and the emulator's must each lie within the error that NVIDIA
//     documents of the true value, which float64 gives: 2.5 units in the last place for ex2 (2 beside the correctly
//     rounded result), 1.5 for rcp, 2^-22.9 relatively for rsqrt, 2^-22 for lg2 (absolutely between 0.5 and 2, relatively
//     elsewhere), 2^-11 relatively for tanh. Where the true value is so near the least normal number that the result may
//     be flushed, zero is right too.
//   - Sums inside mma (Output.Near): of d = c + Σ aᵢ·bᵢ over 16 products, each must lie within 18·2^-23·(|c| + Σ|aᵢ·bᵢ|),
//     or 2^-148 where that is more, of the exact sum. Products are exact. A tensor core adds at least eight of them and an
//     accumulator at once: it aligns them to the largest and cuts each off below 2^-23 of that, so that two times eight
//     terms lose up to 2^-23 of the sum of magnitudes each, as does the cut of either result to 24 bits. Where every
//     partial sum is a float32, as with small integers, the result is exact.
//   - Sums inside wgmma (Output.Near) likewise, once for each instruction along K. Of fp8, tensor cores keep fewer bits of
//     the sums: the bound is 34·2^-13 of the magnitudes, and 2^-9 where accumulators are fp16.
//
// What a form leaves open (division by zero, the order of atomics) no program asks for.
//
// The package knows PTX, the driver and the emulator. It must not know attention, and nothing but its tests uses it.
package corpus
