package main

import (
	"runtime"
	"sync"
)

// matrix is rows × cols numbers; each row is contiguous and starts stride numbers after the one before.
type matrix struct {
	rows, cols, stride int
	data               []float64
}

func newMatrix(rows, cols int) matrix { return dense(rows, cols, make([]float64, rows*cols)) }

func dense(rows, cols int, data []float64) matrix { return matrix{rows, cols, cols, data} }

func (m matrix) row(i int) []float64 { return m.data[i*m.stride:][:m.cols] }

func (m matrix) transposed() matrix {
	t := newMatrix(m.cols, m.rows)
	for i := range m.rows {
		for j, v := range m.row(i) {
			t.data[j*t.stride+i] = v
		}
	}
	return t
}

func (m matrix) add(n matrix) {
	for i := range m.rows {
		row := m.row(i)
		for j, v := range n.row(i) {
			row[j] += v
		}
	}
}

// product is a·b, whose rows the cores share out.
func product(a, b matrix) matrix {
	c := newMatrix(a.rows, b.cols)
	parallel(a.rows, func(i int) { addRowProduct(c.row(i), a.row(i), b) })
	return c
}

// addProduct adds a·b to c, on one core.
func addProduct(c, a, b matrix) {
	for i := range c.rows {
		addRowProduct(c.row(i), a.row(i), b)
	}
}

// addRowProduct adds x·b to y, four rows of b at a time.
func addRowProduct(y, x []float64, b matrix) {
	n, k := len(y), 0
	for ; k+4 <= len(x); k += 4 {
		x0, x1, x2, x3 := x[k], x[k+1], x[k+2], x[k+3]
		b0, b1, b2, b3 := b.row(k)[:n], b.row(k + 1)[:n], b.row(k + 2)[:n], b.row(k + 3)[:n]
		for j := range y {
			y[j] += x0*b0[j] + x1*b1[j] + x2*b2[j] + x3*b3[j]
		}
	}
	for ; k < len(x); k++ {
		for j, v := range b.row(k) {
			y[j] += x[k] * v
		}
	}
}

// parallel calls f(0) … f(n−1), a stretch of them on each core. No sum spans two calls, so that results do not depend on
// the number of cores.
func parallel(n int, f func(i int)) {
	cores := min(n, runtime.GOMAXPROCS(0))
	var done sync.WaitGroup
	for c := range cores {
		done.Go(func() {
			for i := c * n / cores; i < (c+1)*n/cores; i++ {
				f(i)
			}
		})
	}
	done.Wait()
}
