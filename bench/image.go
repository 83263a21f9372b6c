package bench

import "github.com/sigattn/sigattn"

// Image is the code that an implementation of ours runs.
type Image struct {
	Arch sigattn.Arch
	PTX  bool // compiled by the driver
}

// Imager is an Implementation that knows which image it runs a shape with.
type Imager interface {
	Image(Shape) (Image, error)
}

// String is such as "sm_90" or "sm_80 PTX"; the zero Image is "".
func (i Image) String() string {
	switch {
	case i == Image{}:
		return ""
	case i.PTX:
		return i.Arch.String() + " PTX"
	}
	return i.Arch.String()
}

// Image is that of the pass's main kernel, for the shape's tensors; of a step, the backward's.
func (g *GPU) Image(s Shape) (Image, error) {
	kernel, err := g.kernel(s)
	if err != nil {
		return Image{}, err
	}
	var i sigattn.ImageInfo
	if s.Pass == Forward {
		i, err = kernel.ForwardImage(g.forward(s))
	} else {
		i, err = kernel.BackwardImage(g.backward(s))
	}
	return Image{i.Arch, i.PTX}, err
}
