package main

// model is a transformer: embeddings of tokens and of positions, blocks, and a readout at every position.
type model struct {
	tokens, positions *parameter
	blocks            []*block
	norm              norm
	readout           *linear
	input             []int
}

// newModel draws the same parameters whatever the attention.
func newModel(t task, a attention) *model {
	r := t.random(forParameters)
	m := &model{tokens: newParameter(t.vocabulary, t.width()), positions: newParameter(t.length, t.width())}
	fillNormal(r, m.tokens.data, 1)
	fillNormal(r, m.positions.data, 1)
	for range t.blocks {
		m.blocks = append(m.blocks, newBlock(r, t, a))
	}
	m.readout = newLinear(r, t.width(), t.vocabulary)
	return m
}

func (m *model) parameters() []*parameter {
	all := []*parameter{m.tokens, m.positions, m.readout.w}
	for _, b := range m.blocks {
		all = append(all, b.parameters()...)
	}
	return all
}

// forward is the logits, [positions of all sequences × vocabulary].
func (m *model) forward(input []int) (matrix, error) {
	m.input = input
	x := newMatrix(len(input), m.tokens.cols)
	for i, token := range input {
		row, position := x.row(i), m.positions.row(i%m.positions.rows)
		for j, v := range m.tokens.row(token) {
			row[j] = v + position[j]
		}
	}
	for _, b := range m.blocks {
		if err := b.forward(x); err != nil {
			return matrix{}, err
		}
	}
	return m.readout.forward(m.norm.forward(x)), nil
}

// backward adds to the parameters' gradients.
func (m *model) backward(dlogits matrix) error {
	dx := m.norm.backward(m.readout.backward(dlogits))
	for i := len(m.blocks) - 1; i >= 0; i-- {
		if err := m.blocks[i].backward(dx); err != nil {
			return err
		}
	}
	for i, token := range m.input {
		dtoken, dposition := m.tokens.gradient.row(token), m.positions.gradient.row(i%m.positions.rows)
		for j, d := range dx.row(i) {
			dtoken[j] += d
			dposition[j] += d
		}
	}
	return nil
}
