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

// choiceIn reports whether arguments decide which image a mode runs.
func choiceIn(info sigattn.Info, m Mode) bool {
	return m.mappedRoles() != nil && slices.ContainsFunc(m.passes(), func(p sigattn.Pass) bool { return len(imagesOf(info, p)) > 1 })
}

// withoutMapped is a package without the kernels that take tensor maps where others do what they do.
func withoutMapped(p *sigattn.Package, info sigattn.Info) *sigattn.Package {
	rest := *p
	rest.Kernels = slices.DeleteFunc(slices.Clone(p.Kernels), func(k sigattn.KernelInfo) bool {
		images := imagesOf(info, k.Pass)
		return len(images) > 1 && k.Arch == images[0].Arch
	})
	return &rest
}

// images are those that a mode of the case runs. One that is not the one for the case's tensors is a failure.
func (e *execution) images(mode Mode) (ran []Image, failure string, err error) {
	info := e.kernel.Info()
	first, err := e.firstImage(mode)
	if err != nil {
		return nil, "", err
	}
	mapped := e.hasMaps(mode)
	for _, pass := range mode.passes() {
		loaded := imagesOf(info, pass)
		image := loaded[len(loaded)-1]
		if mapped {
			image = loaded[0]
		}
		ran = append(ran, newImage(image))
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

// mappedRoles are the tensors that the kernels of a mode take through tensor maps where they take any so.
func (m Mode) mappedRoles() []role {
	switch m {
	case Forward:
		return []role{roleQ, roleK, roleV, roleO}
	case Backward:
		return []role{roleQ, roleK, roleV, roleDO, roleDK, roleDV}
	}
	return nil
}

// hasMaps reports whether a mode's kernels may take tensor maps, and one can describe each of the tensors: nothing is empty, and
// no dimension repeats or runs backwards. (No case's strides are too long for a map.)
func (e *execution) hasMaps(mode Mode) bool {
	roles := mode.mappedRoles()
	for _, r := range roles {
		n, v := r.extents(e.Shape), e.place.views[r]
		for i, stride := range []int64{v.batch, v.seq, v.head} {
			if n[i] == 0 || n[i] > 1 && stride <= 0 {
				return false
			}
		}
	}
	return len(roles) > 0
}
