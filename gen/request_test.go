package gen

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
)

func TestDefaultMatrix(t *testing.T) {
	request := Request{}
	if err := request.Validate(); err != nil {
		t.Fatal(err)
	}
	plans, culled := request.Plans()
	for _, p := range Packages(plans) {
		for _, pass := range DefaultRequest().Passes {
			want := sigattn.SM80
			switch {
			case pass == sigattn.BackwardOrdered && p.HeadDim > maxFusedHeadDim:
				want = 0
			case pass == sigattn.BackwardOrdered || pass == sigattn.ForwardSplit:
				want = sigattn.SM90
			}
			if got := p.lowest(pass); got != want {
				t.Errorf("%s has %v kernels from %v on, want %v", p.Name(), pass, got, want)
			}
		}
		for _, plan := range p.Plans { // what a fused kernel leaves is finished in its own tiles
			if plan.Pass == sigattn.BackwardFused && !slices.ContainsFunc(p.Plans, func(o Plan) bool { return o.Pass == sigattn.BackwardFinish && o.Arch <= plan.Arch && o.M == plan.M }) {
				t.Errorf("nothing finishes %s", plan.Name())
			}
		}
		for _, plan := range p.Plans {
			if plan.Arch.Major() != sigattn.SM80.Major() || plan.Arch == sigattn.SM80 {
				continue
			}
			i := slices.IndexFunc(p.Plans, func(o Plan) bool { return o.Pass == plan.Pass && o.Arch == sigattn.SM80 })
			if p.Plans[i].SharedBytes <= chips[plan.Arch].sharedPerBlock && (plan.Pass != sigattn.BackwardFinish || p.Plans[i].M == plan.M) {
				t.Errorf("%s repeats %s", plan.Name(), p.Plans[i].Name())
			}
		}
	}
	if n := len(Packages(plans)); n != 24 {
		t.Errorf("%d packages; want 6 head dims × 2 dtypes × 2 masks", n)
	}
	for _, c := range culled {
		ofHopper := c.Spec.Pass == sigattn.BackwardOrdered || c.Spec.Pass == sigattn.ForwardSplit
		if c.Spec.Arch == sigattn.SM80 && !ofHopper || !errors.Is(c.Reason, ErrCulled) && !errors.Is(c.Reason, ErrBudget) {
			t.Errorf("%v was culled: %v", c.Spec, c.Reason)
		}
	}
}

func TestPlansAreInOrderAndOnce(t *testing.T) {
	twice := Request{
		Archs: []sigattn.Arch{sigattn.SM80}, HeadDims: []int{128, 40, 64, 120}, DTypes: []sigattn.DType{sigattn.FP16, sigattn.BF16, sigattn.FP16},
		Masks: []sigattn.Mask{sigattn.Causal}, Passes: []sigattn.Pass{sigattn.Forward}, Tiles: []Tile{{M: 128, N: 32}, {M: 128, N: 32}},
	}
	plans, _ := twice.Plans()
	var names []string
	for _, p := range Packages(plans) {
		names = append(names, p.Name())
		if len(p.Plans) != 1 {
			t.Errorf("%s has %d kernels", p.Name(), len(p.Plans))
		}
	}
	if want := []string{"d64bf16causal", "d64fp16causal", "d128bf16causal", "d128fp16causal"}; !slices.Equal(names, want) {
		t.Errorf("packages %v; want %v", names, want)
	}
}

func TestCulling(t *testing.T) {
	one := func(arch ...sigattn.Arch) Request {
		return Request{Archs: arch, HeadDims: []int{192}, DTypes: []sigattn.DType{sigattn.BF16}, Masks: []sigattn.Mask{sigattn.Full}}
	}
	reason := func(culled []Culled, arch sigattn.Arch, pass sigattn.Pass) string {
		for _, c := range culled {
			if c.Spec.Arch == arch && c.Spec.Pass == pass {
				return c.Reason.Error()
			}
		}
		return ""
	}

	passes := func(plans []Plan) (passes []sigattn.Pass) {
		for _, p := range plans {
			passes = append(passes, p.Pass)
		}
		return passes
	}

	plans, culled := one(sigattn.SM90).Plans()
	if got := passes(plans); !slices.Equal(got, []sigattn.Pass{sigattn.Forward, sigattn.ForwardSplit, sigattn.BackwardDKV, sigattn.BackwardDQ, sigattn.BackwardFinish}) {
		t.Errorf("sm_90: %v", got)
	}
	if got := reason(culled, sigattn.SM90, sigattn.BackwardFused); !strings.Contains(got, "sm_90") {
		t.Errorf("sm_90 %v: reason %q", sigattn.BackwardFused, got)
	}
	if _, culled := one(sigattn.SM80).Plans(); !strings.Contains(reason(culled, sigattn.SM80, sigattn.ForwardSplit), "clusters") {
		t.Errorf("sm_80 %v: %v", sigattn.ForwardSplit, culled)
	}
	tanh := one(sigattn.SM90)
	tanh.HeadDims, tanh.Sigmoids = []int{128}, []sigattn.Sigmoid{sigattn.Tanh}
	if _, culled := tanh.Plans(); !strings.Contains(reason(culled, sigattn.SM90, sigattn.BackwardOrdered), "spill") {
		t.Errorf("tanh with head dim 128: %v", culled)
	}
	small := one(sigattn.SM90)
	small.HeadDims = []int{128}
	plans, _ = small.Plans()
	want := []sigattn.Pass{sigattn.Forward, sigattn.ForwardSplit, sigattn.BackwardFused, sigattn.BackwardOrdered, sigattn.BackwardFinish}
	if got := passes(plans); !slices.Equal(got, want) || plans[len(plans)-1].M != plans[2].M {
		t.Errorf("sm_90 with head dim 128: %v", plans)
	}

	// Shared memory of 8.6: its own kernel where sm_80's does not fit, and that one serves 8.9 too.
	three := one(sigattn.SM80, sigattn.SM86, sigattn.SM89)
	three.Passes, three.Tiles = []sigattn.Pass{sigattn.Forward}, []Tile{{M: 128, N: 32}} // sm_86 has no room for it: there the tuned one counts
	plans, culled = three.Plans()
	has := func(arch sigattn.Arch) bool {
		return slices.ContainsFunc(plans, func(p Plan) bool { return p.Arch == arch && p.Pass == sigattn.Forward })
	}
	if !has(sigattn.SM80) || !has(sigattn.SM86) || has(sigattn.SM89) {
		t.Errorf("forward plans: %v", plans)
	}
	if got := reason(culled, sigattn.SM89, sigattn.Forward); !strings.HasPrefix(got, "the sm_86 image serves it with ") {
		t.Errorf("sm_89: %q", got)
	}

	// Asked for alone, an arch is planned whatever another would serve.
	alone := Request{Archs: []sigattn.Arch{sigattn.SM89}, HeadDims: []int{32}, Passes: []sigattn.Pass{sigattn.Forward}}
	if plans, _ := alone.Plans(); len(plans) != 4 {
		t.Errorf("sm_89 alone: %v", plans)
	}
}

func TestFinishFollowsBackward(t *testing.T) {
	request := Request{Archs: []sigattn.Arch{sigattn.SM80}, HeadDims: []int{64}, DTypes: []sigattn.DType{sigattn.BF16}, Masks: []sigattn.Mask{sigattn.Full}}
	rows := func(pass sigattn.Pass) (rows []int) {
		plans, _ := request.Plans()
		for _, p := range plans {
			if p.Pass == pass && !slices.Contains(rows, p.M) {
				rows = append(rows, p.M)
			}
		}
		return rows
	}
	request.Tiles = []Tile{{M: 64, N: 64}, {M: 128, N: 64}, {M: 64, N: 32}}
	if bwd, fin := rows(sigattn.BackwardFused), rows(sigattn.BackwardFinish); !slices.Equal(bwd, fin) || len(fin) != 2 {
		t.Errorf("bwd has tiles of %v rows, bwdfin of %v", bwd, fin)
	}
	request.Tiles = nil
	request.Passes = []sigattn.Pass{sigattn.BackwardDKV, sigattn.BackwardDQ, sigattn.BackwardFinish}
	if dq, fin := rows(sigattn.BackwardDQ), rows(sigattn.BackwardFinish); !slices.Equal(dq, fin) || len(fin) != 1 {
		t.Errorf("bwddq has tiles of %v rows, bwdfin of %v", dq, fin)
	}
	request.Passes = []sigattn.Pass{sigattn.Forward, sigattn.BackwardFinish}
	if fin := rows(sigattn.BackwardFinish); len(fin) != 0 {
		t.Errorf("bwdfin of %v rows follows nothing", fin)
	}
}

func TestTilesFallBack(t *testing.T) {
	// A tile that only the forward pass of one head dim fits leaves the rest tuned.
	request := Request{Archs: []sigattn.Arch{sigattn.SM80}, HeadDims: []int{64}, DTypes: []sigattn.DType{sigattn.BF16},
		Masks: []sigattn.Mask{sigattn.Full}, Tiles: []Tile{ampere(256, 160, 3, 8, 1, none)}}
	if err := request.Validate(); err != nil {
		t.Fatal(err)
	}
	plans, culled := request.Plans()
	for _, p := range plans {
		best, _ := Best(p.Spec)
		if want := p.Pass == sigattn.Forward; (p.namedTile() == request.Tiles[0]) != want || !want && p.Tile != best {
			t.Errorf("%s", p.Name())
		}
	}
	if len(plans) != 5 || len(culled) != 5 {
		t.Errorf("%d plans, culled %v", len(plans), culled)
	}
}

func TestValidate(t *testing.T) {
	for what, test := range map[string]struct {
		request Request
		want    error
	}{
		"head dim":    {Request{HeadDims: []int{64, 100}}, ErrValue},
		"arch":        {Request{Archs: []sigattn.Arch{75}}, sigattn.ErrName},
		"dtype":       {Request{DTypes: []sigattn.DType{0}}, sigattn.ErrName},
		"mask":        {Request{Masks: []sigattn.Mask{9}}, sigattn.ErrName},
		"sigmoid":     {Request{Sigmoids: []sigattn.Sigmoid{9}}, sigattn.ErrName},
		"pass":        {Request{Passes: []sigattn.Pass{9}}, sigattn.ErrName},
		"tile":        {Request{Tiles: []Tile{{M: 100, N: 64}}}, ErrValue},
		"big tile":    {Request{Tiles: []Tile{{M: 512, N: 512}}}, ErrBudget},
		"too big 256": {Request{Archs: []sigattn.Arch{sigattn.SM80}, HeadDims: []int{64, 256}, Passes: []sigattn.Pass{sigattn.Forward}, Tiles: []Tile{{M: 128, N: 64}}}, ErrBudget},
	} {
		if err := test.request.Validate(); !errors.Is(err, test.want) {
			t.Errorf("%s: %v; want an error that is %v", what, err, test.want)
		}
	}
	for what, request := range map[string]Request{
		"zero":          {},
		"default":       DefaultRequest(),
		"next head dim": {HeadDims: []int{8, 88, 248}},
		"no family":     {Archs: []sigattn.Arch{sigattn.SM90}, HeadDims: []int{192, 256}, Passes: []sigattn.Pass{sigattn.BackwardFused}, Tiles: []Tile{{M: 512, N: 512}}},
		"only finish":   {Passes: []sigattn.Pass{sigattn.BackwardFinish}, Tiles: []Tile{{M: 512, N: 512}}},
	} {
		if err := request.Validate(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
