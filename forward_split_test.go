package sigattn

import "testing"

// splitting are sm_90's forward kernels of tiles of 128 × 128 and, where keys are split, 64 × 128.
func splitting() []KernelInfo {
	return append(bothForward(), kernelInfo(ForwardSplit, SM90, 64, 128, 150000))
}

// unloadedSplitting is a kernel on 132 SMs in groups of 16 to 18, some with fewer.
func unloadedSplitting() *Kernel {
	k := unloaded(splitting()...)
	k.mapped[ForwardSplit].clusters = clusterCounts{0, 132, 66, 42, 32, 26, 21, 18, 14, 8, 8, 8, 8, 8, 8, 8, 6}
	return k
}

// Where query rows make no more tiles of 64 than there are SMs, the blocks of a cluster share the keys of each, as many as let the
// last one end first.
func TestSplitKeys(t *testing.T) {
	k := unloadedSplitting()
	for name, c := range map[string]struct {
		shape shape // batch, queries, keys, heads, KV heads, head dim
		want  geometry
		pass  Pass
	}{
		"8 heads of 128 queries":      {shape{1, 128, 65536, 8, 8, 128}, geometry{112, 7}, ForwardSplit},
		"one query of 32 heads":       {shape{1, 1, 4096, 32, 32, 128}, geometry{128, 4}, ForwardSplit},
		"one query of 8 times 4":      {shape{1, 1, 4096, 32, 8, 128}, geometry{88, 11}, ForwardSplit}, // 8 clusters of 16 do not run at once
		"of 8 times 6":                {shape{1, 1, 4096, 48, 8, 128}, geometry{120, 5}, ForwardSplit}, // two heads together
		"17 queries of 4 heads":       {shape{1, 17, 4096, 4, 1, 128}, geometry{32, 16}, ForwardSplit}, // 16 to a tile
		"one query of 33 heads":       {shape{1, 1, 4096, 33, 33, 64}, geometry{99, 3}, ForwardSplit},
		"one query of one head":       {shape{1, 1, 1 << 20, 1, 1, 128}, geometry{16, 16}, ForwardSplit},
		"keys for five blocks":        {shape{1, 64, 5 * 128, 2, 2, 128}, geometry{10, 5}, ForwardSplit},
		"one key tile":                {shape{1, 64, 128, 2, 2, 128}, geometry{2, 1}, ForwardSplit},
		"a key more":                  {shape{1, 64, 129, 2, 2, 128}, geometry{2, 1}, ForwardSplit},
		"a tile for each SM":          {shape{1, 128, 4096, 66, 66, 128}, geometry{132, 1}, ForwardSplit},
		"for half of them":            {shape{66, 64, 4096, 1, 1, 128}, geometry{132, 2}, ForwardSplit},
		"more tiles than SMs":         {shape{1, 65, 4096, 67, 67, 128}, geometry{67, 0}, Forward},
		"many more":                   {shape{16, 1024, 1024, 16, 16, 128}, geometry{132, 0}, Forward},
		"one query of many sequences": {shape{133, 1, 4096, 1, 1, 128}, geometry{132, 0}, Forward},
	} {
		args := forwardArgs(c.shape)
		f, err := k.planForward("Forward", &args)
		if err != nil || f.geometry != c.want || f.image.Pass != c.pass {
			t.Errorf("%s: %v by %v, %v, want %v by %v", name, f.geometry, f.image.Pass, err, c.want, c.pass)
		}
	}
}

// A tensor without a map is for the image that takes any, however few its rows.
func TestFewQueriesWithoutMaps(t *testing.T) {
	k := unloadedSplitting()
	args := forwardArgs(shape{1, 1, 4096, 4, 4, 128})
	args.K.StrideSeq = -args.K.StrideSeq
	args.K.Data -= DevicePtr(4095 * args.K.StrideSeq * elementBytes)
	if f, err := k.planForward("Forward", &args); err != nil || f.image.Arch != SM80 || f.cluster != 0 {
		t.Errorf("%v: %v, cluster %d", err, f.image.Arch, f.cluster)
	}
}

// A tile takes the heads that share keys together: the map of Q has them before the sequence.
func TestPackedQueries(t *testing.T) {
	for _, c := range []struct {
		headsQ, headsKV int
		want            mapBox
	}{
		{8, 8, mapBox{64, 1}}, {8, 1, mapBox{8, 8}}, {12, 2, mapBox{32, 2}}, {7, 1, mapBox{64, 1}}, {64, 1, mapBox{1, 64}}, {128, 1, mapBox{1, 64}},
	} {
		args := forwardArgs(shape{1, 3, 9, c.headsQ, c.headsKV, 128})
		if got := packedQueries(&args); got != c.want {
			t.Errorf("%d heads, %d of keys: %v, want %v", c.headsQ, c.headsKV, got, c.want)
		}
	}
}
