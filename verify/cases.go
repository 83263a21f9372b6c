package verify

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"github.com/sigattn/sigattn"
)

// Level is how much of the grid is run.
type Level string

// Levels. Each holds the ones before.
const (
	Short   Level = "short"   // tiny shapes, for compute-sanitizer and slow devices
	Default Level = "default" // every kind of shape, layout, input and repetition, with lengths of some hundreds
	Long    Level = "full"    // lengths to 64k by sampled rows, offsets beyond 2^31 elements
)

// Levels lists the legal levels.
func Levels() []Level { return []Level{Short, Default, Long} }

// tile is an image's tile.
type tile struct{ m, n int }

// tilesOf lists the different tiles of the loaded images, in their order.
func tilesOf(info sigattn.Info) []tile {
	var tiles []tile
	for _, i := range info.Images {
		if t := (tile{i.TileM, i.TileN}); i.Pass != sigattn.BackwardFinish && !slices.Contains(tiles, t) {
			tiles = append(tiles, t)
		}
	}
	return tiles
}

// grid collects cases for kernels of one head dim.
type grid struct {
	headDim int
	tiles   []tile
	seed    uint64
	soak    int // launches of repeated cases
	cases   []Case
}

// casesFor lists a level's cases for kernels of a head dim and with these tiles. Equal arguments give equal cases, and a
// case keeps its seed when others come or go.
func casesFor(level Level, headDim int, tiles []tile, seed uint64, soak int) []Case {
	g := &grid{headDim: headDim, tiles: tiles, seed: seed, soak: soak}
	g.edges()
	if level != Short {
		g.tileEdges()
		g.lengths()
		g.heads()
		g.headDims()
		g.layouts()
		g.inputKinds()
		g.arguments()
		g.random()
		g.repetition()
	}
	if level == Long {
		g.long()
		g.wide()
	}
	return g.cases
}

// shape is a shape of the kernels' own head dim.
func (g *grid) shape(batch, headsQ, headsKV, seqLenQ, seqLenK int) Shape {
	return Shape{batch, headsQ, headsKV, seqLenQ, seqLenK, g.headDim}
}

// add completes a case: dense, N(0,1) and of an own seed unless it says otherwise.
func (g *grid) add(subject string, c Case) {
	if c.Layout == "" {
		c.Layout = BSHD
	}
	if c.Inputs == "" {
		c.Inputs = Normal
	}
	heads := fmt.Sprint(c.HeadsQ)
	if c.HeadsKV != c.HeadsQ {
		heads = fmt.Sprintf("%d/%d", c.HeadsQ, c.HeadsKV)
	}
	c.Name = fmt.Sprintf("%s: b%d h%s q%d k%d d%d %s %s", subject, c.Batch, heads, c.SeqLenQ, c.SeqLenK, c.HeadDim, c.Layout, c.Inputs)
	if slices.ContainsFunc(g.cases, func(other Case) bool { return other.Name == c.Name }) {
		return // tiles of several kernels coincide
	}
	h := fnv.New64a()
	fmt.Fprint(h, c.Name, g.seed)
	c.Seed = h.Sum64() >> 3
	g.cases = append(g.cases, c)
}

func (g *grid) largestTile() tile {
	largest := tile{64, 64}
	for _, t := range g.tiles {
		largest = tile{max(largest.m, t.m), max(largest.n, t.n)}
	}
	return largest
}

// edges are the shapes at which kernels break, as small as they can be.
func (g *grid) edges() {
	t := g.largestTile()
	g.add("one", Case{Shape: g.shape(1, 1, 1, 1, 1)})
	g.add("no query", Case{Shape: g.shape(1, 2, 1, 0, 17)})
	g.add("no key", Case{Shape: g.shape(2, 2, 1, 17, 0)})
	g.add("two tiles", Case{Shape: g.shape(1, 1, 1, t.m+1, t.n+1)})
	whole := 2*max(t.m, t.n) + 3 // so that some tile of every kernel sees another whole one, under a causal mask too
	g.add("whole tiles", Case{Shape: g.shape(1, 1, 1, whole, whole)})
	g.add("group", Case{Shape: g.shape(2, 4, 2, 29, 31)})
	// On few multiprocessors a block takes several query tiles, of odd numbers of key tiles, and the last head has no next one.
	for _, k := range []Kind{Normal, NonFinite, HiddenValues} {
		g.add("turns", Case{Shape: g.shape(5, 1, 1, t.m+5, 2*t.n+11), Inputs: k})
	}
	g.add("idle", Case{Shape: g.shape(6, 1, 1, 5, 7)}) // there, pairs of heads or the last head's row tiles leave a block without any
	g.add("idle", Case{Shape: g.shape(3, 1, 1, t.m+5, 7)})
	// Rows that fill a warpgroup's tile and see pairs of key tiles whole, under a causal mask too.
	for _, k := range []Kind{Normal, Outliers, HiddenValues} {
		g.add("pairs", Case{Shape: g.shape(1, 1, 1, 67, 4*t.n+67), Inputs: k})
	}
	// Of some tile of 64 queries and 64 or 128 keys, whole, a causal mask hides the first query from the last key alone.
	g.add("corner", Case{Shape: g.shape(1, 1, 1, 67, 67+126)})
	g.add("one tile", Case{Shape: g.shape(1, 1, 1, 63, t.n+61)}) // of queries, and full: a key tile's first is its last
	// Weights so small that the sigmoid's shortest form serves every element, of tiles of queries in a row.
	g.add("small weights", Case{Shape: g.shape(1, 2, 1, 131, t.n+3), FixedBias: true, Bias: -8})
	g.add("few keys", Case{Shape: g.shape(1, 2, 2, 53, 7), Layout: Reversed})
	g.add("many keys", Case{Shape: g.shape(1, 2, 1, 7, t.n+59), Layout: Padded})
	small := g.shape(2, 2, 1, 19, 23)
	small.HeadDim = 8
	g.add("least head dim", Case{Shape: small})
	g.add("hidden", Case{Shape: g.shape(1, 4, 2, 61, 67), Inputs: HiddenValues})
	for _, k := range []Kind{Normal, HiddenValues} { // heads that share keys in one tile, which ends between them
		g.add("packed", Case{Shape: g.shape(1, 8, 1, 11, 6*t.n+5), Inputs: k})
	}
	for _, k := range []Kind{HiddenValues, NonFinite} { // of few queries, the keys of several blocks
		g.add("split", Case{Shape: g.shape(1, 1, 1, 61, 3*t.n+67), Inputs: k})
	}
	g.add("infinite", Case{Shape: g.shape(3, 4, 4, 19, 23), Inputs: NonFinite}) // logits among them, of rows whose gradients are 0
	g.add("infinite", Case{Shape: g.shape(1, 9, 9, 1, 1), Inputs: NonFinite})   // sums of one term, which a row beyond the end would make NaN
}

// tileEdges are lengths around every kernel's tile.
func (g *grid) tileEdges() {
	for _, t := range g.tiles {
		g.add("tile−1", Case{Shape: g.shape(1, 2, 2, t.m-1, t.n-1)})
		g.add("tile", Case{Shape: g.shape(1, 2, 1, t.m, t.n)})
		g.add("tile+1", Case{Shape: g.shape(2, 2, 1, t.m+1, t.n+1)})
		g.add("tile±1", Case{Shape: g.shape(1, 2, 2, 2*t.m+1, 3*t.n-1)})
		g.add("tile∓1", Case{Shape: g.shape(1, 2, 2, 3*t.m-1, 2*t.n+1)})
	}
}

// lengths are unequal and prime lengths; under a causal mask the shorter key side leaves rows without keys.
func (g *grid) lengths() {
	g.add("one query", Case{Shape: g.shape(2, 4, 2, 1, 389)})
	g.add("one key", Case{Shape: g.shape(2, 4, 2, 389, 1)})
	g.add("primes", Case{Shape: g.shape(1, 2, 1, 211, 97)})
	g.add("primes", Case{Shape: g.shape(1, 2, 1, 97, 211)})
	g.add("rows without keys", Case{Shape: g.shape(1, 2, 2, 521, 37)})
	g.add("long keys", Case{Shape: g.shape(1, 2, 2, 37, 1031)})
	powers := g.shape(1, 2, 2, 512, 512) // of whole query tiles in a row, under a causal mask too
	g.add("powers of two", Case{Shape: powers})
	g.add("powers of two, scale 1/4", Case{Shape: powers, Scale: 0.25})
}

func (g *grid) heads() {
	g.add("multi-query", Case{Shape: g.shape(1, 7, 1, 131, 137)})
	g.add("groups of three", Case{Shape: g.shape(2, 6, 2, 113, 109)})
	g.add("batch", Case{Shape: g.shape(3, 2, 2, 83, 89)})
	many := Shape{257, 256, 256, 2, 3, 8}
	g.add("heads beyond 65535", Case{Shape: many})
	g.add("many batches", Case{Shape: Shape{521, 1, 1, 2, 3, 8}}) // more partial sums of dbias than a block adds at once
}

// headDims are multiples of 8 below the kernels' own.
func (g *grid) headDims() {
	for _, d := range []int{g.headDim - 8, g.headDim/2 + 8, 16} {
		if d < g.headDim {
			s := g.shape(1, 2, 1, 71, 149)
			s.HeadDim = d
			g.add("head dim", Case{Shape: s})
			g.add("head dim", Case{Shape: s, Layout: Padded})
		}
	}
}

func (g *grid) layouts() {
	for _, l := range []Layout{BHSD, Padded, Reversed, Broadcast} {
		g.add("layout", Case{Shape: g.shape(2, 4, 2, 101, 167), Layout: l})
	}
	g.add("layout", Case{Shape: g.shape(2, 4, 2, 139, 139), Layout: Packed})
	g.add("layout", Case{Shape: g.shape(1, 3, 3, 193, 193), Layout: Packed, NoDBias: true})
}

func (g *grid) inputKinds() {
	for _, k := range []Kind{Outliers, LargeLogits, SmallLogits, ConstantRows, Denormal} {
		g.add("inputs", Case{Shape: g.shape(1, 4, 2, 263, 269), Inputs: k})
	}
	for _, k := range []Kind{NonFinite, HiddenValues} {
		g.add("inputs", Case{Shape: g.shape(3, 4, 4, 157, 163), Inputs: k})
		g.add("inputs", Case{Shape: g.shape(3, 4, 2, 211, 127), Inputs: k, Layout: Padded})
	}
}

func (g *grid) arguments() {
	s := g.shape(1, 2, 1, 271, 277)
	g.add("bias 0", Case{Shape: s, FixedBias: true})
	g.add("bias 3", Case{Shape: s, FixedBias: true, Bias: 3})
	g.add("bias −ln 64k", Case{Shape: g.shape(1, 2, 1, 509, 503), FixedBias: true, Bias: -11.090355})
	g.add("scale 1/4", Case{Shape: s, Scale: 0.25})
	g.add("scale −0.1", Case{Shape: s, Scale: -0.1})
	g.add("no dbias", Case{Shape: s, NoDBias: true})
}

// random are seeded shapes, layouts and inputs together.
func (g *grid) random() {
	r := rand.New(rand.NewPCG(g.seed, uint64(g.headDim)))
	kinds := []Kind{Normal, Normal, Outliers, LargeLogits, SmallLogits, NonFinite, HiddenValues}
	layouts := []Layout{BSHD, BHSD, Padded, Padded, Reversed}
	for n := range 12 {
		kv := 1 + r.IntN(3)
		s := Shape{1 + r.IntN(3), kv * (1 + r.IntN(4)), kv, 1 + r.IntN(400), 1 + r.IntN(400), g.headDim}
		if r.IntN(3) == 0 {
			s.HeadDim = 8 * (1 + r.IntN(g.headDim/8))
		}
		c := Case{Shape: s, Layout: layouts[r.IntN(len(layouts))], Inputs: kinds[r.IntN(len(kinds))], NoDBias: r.IntN(4) == 0}
		if r.IntN(3) == 0 {
			c.FixedBias, c.Bias = true, float32(r.IntN(10)-8)
		}
		g.add(fmt.Sprintf("random %d", n+1), c)
	}
}

// defaultSoak is how many launches must give equal bits; more of them run beside others, which is harder.
const defaultSoak = 200

func (g *grid) repetition() {
	g.add("soak", Case{Shape: g.shape(2, 4, 2, 331, 337), Repeat: min(g.soak, defaultSoak)})
	g.add("soak beside others", Case{Shape: g.shape(1, 8, 8, 449, 457), Repeat: g.soak, Beside: true})
	g.add("graph", Case{Shape: g.shape(2, 2, 1, 197, 223), Capture: true})
}

// sample is how many rows of each output long cases compare.
const sample = 64

func (g *grid) long() {
	g.add("2k", Case{Shape: g.shape(1, 2, 1, 2048, 2048)})
	g.add("8k", Case{Shape: g.shape(1, 4, 2, 8191, 8193), Layout: Padded, Sample: sample})
	g.add("16k", Case{Shape: g.shape(2, 2, 2, 16381, 9973), Inputs: Outliers, Sample: sample})
	g.add("16k", Case{Shape: g.shape(1, 2, 1, 16384, 16384), Layout: Packed, Sample: sample})
	g.add("64k keys", Case{Shape: g.shape(1, 4, 2, 64, 65536), Sample: sample})
	g.add("64k", Case{Shape: g.shape(1, 2, 1, 65536, 65536), Sample: sample})
	g.add("64k", Case{Shape: g.shape(1, 2, 1, 65521, 65519), Inputs: SmallLogits, Sample: sample})
	g.add("64k", Case{Shape: g.shape(1, 2, 1, 65536, 65536), Inputs: Periodic, Sample: sample})
}

// wide are views whose offsets pass 2^31 and 2^32 elements.
func (g *grid) wide() {
	g.add("wide", Case{Shape: g.shape(3, 2, 1, 67, 71), Layout: WideBatch})
	g.add("wide", Case{Shape: g.shape(1, 2, 1, 283, 281), Layout: WideSeq})
	g.add("wide", Case{Shape: g.shape(1, 3, 3, 73, 79), Layout: WideHead})
}
