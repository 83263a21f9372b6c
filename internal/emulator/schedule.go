package emulator

import "math"

// preemptSteps is about how many instructions a warp runs between random switches.
const preemptSteps = 64

// maxRun bounds what a warp runs at a stretch, so that an endless loop is noticed.
const maxRun = 1 << 16

// choose picks a warp that can run, by the seed; nil where none can.
func (c *cluster) choose() *warp {
	c.choices = c.choices[:0]
	spinning := true
	for _, b := range c.blocks {
		for _, w := range b.warps {
			if w.state == ready || w.state == yielded {
				c.choices = append(c.choices, w)
				spinning = spinning && w.state == yielded
			}
		}
	}
	if spinning && c.land() {
		return c.choose()
	}
	if len(c.choices) == 0 {
		return nil
	}
	w := c.choices[c.order.IntN(len(c.choices))]
	w.state = ready
	return w
}

// budget is how many instructions the chosen warp runs unless it waits earlier.
func (c *cluster) budget() int {
	if !c.options.Preempt {
		return maxRun
	}
	return 1 + int(min(-math.Log(1-c.order.Float64())*preemptSteps, maxRun))
}
