package verify

// The float64 inner loops of the reference. Each keeps enough sums in registers that loads do not limit it.

// dots fills s0[j] = x0·rows[j] and s1[j] = x1·rows[j], where rows holds len(s0) rows of len(x0) elements.
func dots(s0, s1, x0, x1, rows []float64) {
	d := len(x0)
	x1 = x1[:d]
	s1 = s1[:len(s0)]
	j := 0
	for ; j+4 <= len(s0); j += 4 {
		r0 := rows[(j+0)*d:][:d]
		r1 := rows[(j+1)*d:][:d]
		r2 := rows[(j+2)*d:][:d]
		r3 := rows[(j+3)*d:][:d]
		var a0, a1, a2, a3, b0, b1, b2, b3 float64
		for c, x := range x0 {
			y := x1[c]
			a0 += x * r0[c]
			b0 += y * r0[c]
			a1 += x * r1[c]
			b1 += y * r1[c]
			a2 += x * r2[c]
			b2 += y * r2[c]
			a3 += x * r3[c]
			b3 += y * r3[c]
		}
		s0[j], s0[j+1], s0[j+2], s0[j+3] = a0, a1, a2, a3
		s1[j], s1[j+1], s1[j+2], s1[j+3] = b0, b1, b2, b3
	}
	for ; j < len(s0); j++ {
		r := rows[j*d:][:d]
		var a, b float64
		for c, x := range x0 {
			a += x * r[c]
			b += x1[c] * r[c]
		}
		s0[j], s1[j] = a, b
	}
}

// accumulate adds Σ w[j]·rows[j] to y and Σ v[j]·rows[j] to z.
func accumulate(y, z, w, v, rows []float64) {
	d := len(y)
	z = z[:d]
	v = v[:len(w)]
	j := 0
	for ; j+4 <= len(w); j += 4 {
		r0 := rows[(j+0)*d:][:d]
		r1 := rows[(j+1)*d:][:d]
		r2 := rows[(j+2)*d:][:d]
		r3 := rows[(j+3)*d:][:d]
		w0, w1, w2, w3 := w[j], w[j+1], w[j+2], w[j+3]
		v0, v1, v2, v3 := v[j], v[j+1], v[j+2], v[j+3]
		for c := range y {
			e0, e1, e2, e3 := r0[c], r1[c], r2[c], r3[c]
			y[c] += w0*e0 + w1*e1 + (w2*e2 + w3*e3)
			z[c] += v0*e0 + v1*e1 + (v2*e2 + v3*e3)
		}
	}
	for ; j < len(w); j++ {
		r := rows[j*d:][:d]
		for c, e := range r {
			y[c] += w[j] * e
			z[c] += v[j] * e
		}
	}
}
