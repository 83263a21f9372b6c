package gen

import (
	"slices"

	"github.com/sigattn/sigattn"
)

// Plans are the kernels that r asks for, by package, arch and pass, and what was culled. r is legal: see Validate.
func (r Request) Plans() (plans []Plan, culled []Culled) {
	m := matrix{request: r.complete()}
	for _, spec := range m.request.specs() {
		m.add(spec)
	}
	return m.plans, m.culled
}

// matrix collects the Plans of one Request. Specs come in the order of Request.specs, so that what a Spec depends on,
// a lower arch or the kernels that a BackwardFinish follows, is planned before it.
type matrix struct {
	request Request
	plans   []Plan
	culled  []Culled
}

func (m *matrix) add(spec Spec) {
	reason := checkFamily(spec)
	if reason == nil {
		reason = m.checkNeed(spec)
	}
	if reason != nil {
		m.culled = append(m.culled, Culled{Spec: spec, Reason: reason})
		return
	}
	if spec.Pass == sigattn.BackwardFinish {
		m.addFinish(spec)
		return
	}
	before := len(m.plans)
	for _, tile := range m.request.Tiles {
		m.try(spec, tile)
	}
	if len(m.plans) > before {
		return
	}
	best, ok := Best(spec)
	if !ok {
		m.culled = append(m.culled, Culled{Spec: spec, Reason: culledf("no tile was chosen for %v yet", spec)})
		return
	}
	m.try(spec, best)
}

// try plans spec with tile, or notes why not. A Plan that is there already stays alone.
func (m *matrix) try(spec Spec, tile Tile) {
	plan, err := m.request.tiled(spec, tile)
	switch {
	case err != nil:
		m.culled = append(m.culled, Culled{Spec: spec, Tile: tile, Reason: err})
	case !slices.Contains(m.plans, plan):
		m.plans = append(m.plans, plan)
	}
}

// addFinish plans one finish kernel per tile height of the kernels that it follows.
func (m *matrix) addFinish(spec Spec) {
	followed := spec
	for _, followed.Pass = range []sigattn.Pass{sigattn.BackwardFused, sigattn.BackwardOrdered, sigattn.BackwardDQ} {
		found := m.planned(followed)
		for _, p := range found {
			m.tryFinish(spec, finishTile(p.Tile))
		}
		if len(found) > 0 {
			return
		}
	}
	m.culled = append(m.culled, Culled{Spec: spec, Reason: culledf("it follows backward kernels, and %s has none of its own", spec.Arch)})
}

// tryFinish is try unless a lower arch's kernel has the same tile and so runs on spec's chip too.
func (m *matrix) tryFinish(spec Spec, tile Tile) {
	for _, other := range m.below(spec) {
		for _, p := range m.planned(other) {
			if p.Tile == tile {
				m.culled = append(m.culled, Culled{spec, tile, culledf("the %s image serves it", other.Arch)})
				return
			}
		}
	}
	m.try(spec, tile)
}

func (m *matrix) planned(spec Spec) []Plan {
	var found []Plan
	for _, p := range m.plans {
		if p.Spec == spec {
			found = append(found, p)
		}
	}
	return found
}

// below is spec on the request's lower architectures of the same major version, whose images run on spec's chip if it
// has the shared memory.
func (m *matrix) below(spec Spec) []Spec {
	var below []Spec
	for _, lower := range m.request.Archs {
		if lower < spec.Arch && lower.Major() == spec.Arch.Major() {
			other := spec
			other.Arch = lower
			below = append(below, other)
		}
	}
	return below
}

// checkNeed is the reason where a lower arch's image runs on spec's chip too.
func (m *matrix) checkNeed(spec Spec) error {
	if spec.Pass == sigattn.BackwardFinish { // it goes with what it follows
		return nil
	}
	limit := chips[spec.Arch].sharedPerBlock
	for _, other := range m.below(spec) {
		for _, p := range m.planned(other) {
			if p.SharedBytes <= limit {
				return culledf("the %s image serves it with %d of %d bytes of shared memory", other.Arch, p.SharedBytes, limit)
			}
		}
	}
	return nil
}
