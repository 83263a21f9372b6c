package main

import "math/rand/v2"

// block is what a transformer has many of: attention, then a perceptron, each after a norm and added to its input.
type block struct {
	heads      *multiHead
	perceptron *perceptron
}

func newBlock(r *rand.Rand, t task, a attention) *block {
	w := t.width()
	return &block{
		heads: &multiHead{
			attention: a,
			queries:   newLinear(r, w, w), keys: newLinear(r, w, w), values: newLinear(r, w, w), out: newLinear(r, w, w),
		},
		perceptron: &perceptron{up: newLinear(r, w, t.hidden), down: newLinear(r, t.hidden, w)},
	}
}

func (b *block) parameters() []*parameter {
	h, p := b.heads, b.perceptron
	return []*parameter{h.queries.w, h.keys.w, h.values.w, h.out.w, p.up.w, p.down.w}
}

// forward changes x.
func (b *block) forward(x matrix) error {
	y, err := b.heads.forward(x)
	if err != nil {
		return err
	}
	x.add(y)
	x.add(b.perceptron.forward(x))
	return nil
}

// backward makes the gradient of forward's result that of its x.
func (b *block) backward(dx matrix) error {
	dx.add(b.perceptron.backward(dx))
	dy, err := b.heads.backward(dx)
	if err != nil {
		return err
	}
	dx.add(dy)
	return nil
}

// multiHead is attention between projections.
type multiHead struct {
	norm                       norm
	attention                  attention
	queries, keys, values, out *linear
	q, k, v, o                 matrix
}

func (m *multiHead) forward(x matrix) (matrix, error) {
	x = m.norm.forward(x)
	m.q, m.k, m.v = m.queries.forward(x), m.keys.forward(x), m.values.forward(x)
	o, err := m.attention.forward(m.q.data, m.k.data, m.v.data)
	if err != nil {
		return matrix{}, err
	}
	m.o = dense(x.rows, x.cols, o)
	return m.out.forward(m.o), nil
}

func (m *multiHead) backward(dy matrix) (matrix, error) {
	do := m.out.backward(dy)
	dq, dk, dv, err := m.attention.backward(m.q.data, m.k.data, m.v.data, do.data)
	if err != nil {
		return matrix{}, err
	}
	dx := m.queries.backward(dense(do.rows, do.cols, dq))
	dx.add(m.keys.backward(dense(do.rows, do.cols, dk)))
	dx.add(m.values.backward(dense(do.rows, do.cols, dv)))
	return m.norm.backward(dx), nil
}

// perceptron has one hidden layer.
type perceptron struct {
	norm     norm
	up, down *linear
	relu     relu
}

func (p *perceptron) forward(x matrix) matrix {
	return p.down.forward(p.relu.forward(p.up.forward(p.norm.forward(x))))
}

func (p *perceptron) backward(dy matrix) matrix {
	return p.norm.backward(p.up.backward(p.relu.backward(p.down.backward(dy))))
}
