package verify

import "math"

// periodicBias is the bias gradient of inputs whose rows repeat along the sequence. Pairs of equal residues have equal
// dS, so the sum over SeqLenQ × SeqLenK pairs, which a long sequence makes too many, is one over period² pairs, each
// counted as often as it is visible. Equal pairs also round equally, so a pair's rounding error counts as often.
func periodicBias(p *problem, on *pool) *headSums {
	period := p.inputs.period
	nq, nk := min(period, p.SeqLenQ), min(period, p.SeqLenK)
	counts := p.residueCounts(nq, nk)
	shares := make([]biasSum, p.Batch*p.HeadsQ*nq)
	on.each(p.Batch*p.HeadsQ, func(i int) {
		batch, head := i/p.HeadsQ, i%p.HeadsQ
		d := p.HeadDim
		a, b, k, v := newDecoded(nq, d), newDecoded(nq, d), newDecoded(nk, d), newDecoded(nk, d)
		for r := range nq {
			a.load(r, p.storage, p.inputs.q.row(rowIndex{batch, r, head}))
			b.load(r, p.storage, p.inputs.dO.row(rowIndex{batch, r, head}))
		}
		for r := range nk {
			k.load(r, p.storage, p.inputs.k.row(rowIndex{batch, r, head / p.group()}))
			v.load(r, p.storage, p.inputs.v.row(rowIndex{batch, r, head / p.group()}))
		}
		s, dP := make([]float64, nk), make([]float64, nk)
		scale := math.Abs(p.scale)
		for r := range nq {
			dots(s, s, rowOf(a, r, d), rowOf(a, r, d), k.values)
			dots(dP, dP, rowOf(b, r, d), rowOf(b, r, d), v.values)
			for c := range nk {
				if n := counts[r*nk+c]; n > 0 {
					prob, rest := sigmoid(p.scale*s[c] + p.bias)
					shares[i*nq+r].add(p.dS(prob, rest, dP[c], scale*a.norms[r]*k.norms[c], b.norms[r]*v.norms[c]), float64(n))
				}
			}
		}
	})
	sums := newHeadSums(p.HeadsQ)
	for i, share := range shares {
		sums.add(i/nq%p.HeadsQ, share)
	}
	return sums
}

// residueCounts is how many visible pairs (i, j) have i mod period = r and j mod period = c, at [r·nk + c].
func (p *problem) residueCounts(nq, nk int) []int {
	counts := make([]int, nq*nk)
	for i := range p.SeqLenQ {
		_, to := p.keysOf(i) // both masks start at key 0
		row := counts[i%p.inputs.period*nk:][:nk]
		for c := range row {
			if c < to {
				row[c] += (to-1-c)/p.inputs.period + 1
			}
		}
	}
	return counts
}
