package verify

import (
	"fmt"
	"slices"

	"github.com/sigattn/sigattn"
)

// Image is a kernel that ran.
type Image struct {
	Kernel string       `json:"kernel"`
	Arch   sigattn.Arch `json:"arch"`
	PTX    bool         `json:"ptx,omitempty"` // else machine code
}

// String is such as sm_80 PTX.
func (i Image) String() string {
	if i.PTX {
		return i.Arch.String() + " PTX"
	}
	return i.Arch.String()
}

func newImage(i sigattn.ImageInfo) Image { return Image{i.Name, i.Arch, i.PTX} }

// imagesOf are a pass's loaded images: one, or the one that takes tensor maps and the one that takes any tensor.
func imagesOf(info sigattn.Info, pass sigattn.Pass) []sigattn.ImageInfo {
	var images []sigattn.ImageInfo
	for _, i := range info.Images {
		if i.Pass == pass {
			images = append(images, i)
		}
	}
	return images
}

// mappedRoles are the tensors that a pass's kernel takes through tensor maps, where it takes any so.
func mappedRoles(p sigattn.Pass) []role {
	switch p {
	case sigattn.Forward, sigattn.ForwardSplit:
		return []role{roleQ, roleK, roleV, roleO}
	case sigattn.BackwardFused, sigattn.BackwardOrdered, sigattn.BackwardDKV:
		return []role{roleQ, roleK, roleV, roleDO, roleDK, roleDV}
	case sigattn.BackwardDQ:
		return []role{roleQ, roleK, roleV, roleDO, roleDQ}
	}
	return nil
}

// choice is what images follow from: those that are loaded, the shape, and whether each of some tensors has a map. Its methods
// state the rule of the package sigattn once more.
type choice struct {
	info  sigattn.Info
	shape Shape
	maps  func([]role) bool
}

// image is a pass's image that takes tensor maps, or any tensor; where there is but one, it is that.
func (c choice) image(p sigattn.Pass, mapped bool) sigattn.ImageInfo {
	images := imagesOf(c.info, p)
	if mapped {
		return images[0]
	}
	return images[len(images)-1]
}

// mapped reports whether a pass has an image that takes tensor maps, and its tensors have them.
func (c choice) mapped(p sigattn.Pass) bool {
	images := imagesOf(c.info, p)
	return len(images) > 0 && images[0].Arch == sigattn.SM90 && c.maps(mappedRoles(p))
}

// images are those that a mode runs.
func (c choice) images(m Mode) []sigattn.ImageInfo {
	const fused, ordered, finish = sigattn.BackwardFused, sigattn.BackwardOrdered, sigattn.BackwardFinish
	const dkv, dq = sigattn.BackwardDKV, sigattn.BackwardDQ
	separate := len(imagesOf(c.info, dkv)) > 0
	switch {
	case m == Forward && c.splits():
		return []sigattn.ImageInfo{c.image(sigattn.ForwardSplit, true)}
	case m == Forward:
		return []sigattn.ImageInfo{c.image(sigattn.Forward, c.mapped(sigattn.Forward))}
	case m == Backward && c.mapped(fused):
		return []sigattn.ImageInfo{c.image(fused, true), c.image(finish, true)}
	case c.mapped(ordered) || m == Deterministic && !separate:
		return []sigattn.ImageInfo{c.image(ordered, true), c.image(finish, true)}
	case m == Backward && (!c.mapped(dkv) || !c.mapped(dq)):
		return []sigattn.ImageInfo{c.image(fused, false), c.image(finish, false)}
	}
	return []sigattn.ImageInfo{c.image(dkv, c.mapped(dkv)), c.image(dq, c.mapped(dq)), c.image(finish, false)}
}

// splits reports whether a forward call splits keys.
func (c choice) splits() bool {
	return c.mapped(sigattn.Forward) && c.mapped(sigattn.ForwardSplit) && fewQueries(c.info, c.shape)
}

// fewQueries reports whether a shape's query rows make at most as many tiles of 64 as there are SMs, where a tile takes heads that
// share keys together, the largest power of two that divides their number.
func fewQueries(info sigattn.Info, s Shape) bool {
	together := 1
	for together < 64 && s.HeadsQ/s.HeadsKV%(2*together) == 0 {
		together *= 2
	}
	queries := 64 / together
	return s.Batch*s.HeadsQ/together*((s.SeqLenQ+queries-1)/queries) <= info.Processors
}

// choiceIn reports whether tensors decide which images a mode runs.
func choiceIn(info sigattn.Info, m Mode) bool {
	one := Shape{1, 1, 1, 1, 1, 8}
	all, none := choice{info, one, func([]role) bool { return true }}, choice{info, one, func([]role) bool { return false }}
	return !slices.Equal(all.images(m), none.images(m))
}

// withoutMapped is a package without the kernels that take tensor maps where others do what they do.
func withoutMapped(p *sigattn.Package, info sigattn.Info) *sigattn.Package {
	rest := *p
	rest.Kernels = slices.DeleteFunc(slices.Clone(p.Kernels), func(k sigattn.KernelInfo) bool {
		images := imagesOf(info, k.Pass)
		if k.Pass == sigattn.BackwardOrdered {
			return len(imagesOf(info, sigattn.BackwardDKV)) > 0 && len(imagesOf(info, sigattn.BackwardDQ)) > 0
		}
		return len(images) > 1 && k.Arch == images[0].Arch
	})
	return &rest
}

// withoutSplit is a package without the kernels that split keys.
func withoutSplit(p *sigattn.Package) *sigattn.Package {
	rest := *p
	rest.Kernels = slices.DeleteFunc(slices.Clone(p.Kernels), func(k sigattn.KernelInfo) bool { return k.Pass == sigattn.ForwardSplit })
	return &rest
}

// images are those that a mode of the case runs. Where the first is not the one for the case's tensors, that is a failure.
func (e *execution) images(mode Mode) (ran []Image, failure string, err error) {
	first, err := e.firstImage(mode)
	if err != nil {
		return nil, "", err
	}
	for _, i := range (choice{e.kernel.Info(), e.Shape, e.haveMaps}).images(mode) {
		ran = append(ran, newImage(i))
	}
	if first.Name != ran[0].Kernel {
		failure = fmt.Sprintf("%s ran, want %s", first.Name, ran[0].Kernel)
	}
	ran[0] = newImage(first)
	return ran, failure, nil
}

// firstImage is what the kernel says of a mode's first image.
func (e *execution) firstImage(mode Mode) (sigattn.ImageInfo, error) {
	if mode == Forward {
		return e.kernel.ForwardImage(e.forwardArgs())
	}
	return e.kernel.BackwardImage(e.backwardArgs(mode))
}

// haveMaps reports whether a tensor map can describe each of the tensors: nothing is empty, and no dimension repeats or runs
// backwards. (No case's strides are too long for a map.)
func (e *execution) haveMaps(roles []role) bool {
	for _, r := range roles {
		n, v := r.extents(e.Shape), e.place.views[r]
		for i, stride := range []int64{v.batch, v.seq, v.head} {
			if n[i] == 0 || n[i] > 1 && stride <= 0 {
				return false
			}
		}
	}
	return true
}
