package gen

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/sigattn/sigattn"
)

// anyPlan is a legal Plan: a random Spec with a random Tile that its chip has room for.
func anyPlan(r *rand.Rand) Plan {
	for {
		spec := Spec{
			Arch:    pick(r, sigattn.SM80, sigattn.SM86, sigattn.SM89, sigattn.SM90),
			Pass:    pick(r, DefaultRequest().Passes...),
			HeadDim: pick(r, kernelHeadDims...),
			DType:   pick(r, sigattn.BF16, sigattn.FP16),
			Mask:    pick(r, sigattn.Full, sigattn.Causal),
			Sigmoid: pick(r, sigattn.Accurate, sigattn.Tanh),
		}
		tile := ampere(16*(1+r.IntN(16)), 16*(1+r.IntN(16)), 1+r.IntN(8), 1+r.IntN(16), 1+r.IntN(4), none)
		if spec.Pass == sigattn.Forward {
			tile.Pipeline = Pipeline{pick(r, 16, 32), r.IntN(spec.HeadDim/16 + 1), pick(r, false, true)}
		}
		if isHopper(spec) {
			tile = warpgroups(64*(1+r.IntN(3)), 16*(2+r.IntN(15)), hopperStages, 1+r.IntN(2))
		}
		if plan, err := NewPlan(spec, tile); err == nil {
			return plan
		}
	}
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func TestNamesRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[string]Plan{}
	for range 2000 {
		plan := anyPlan(r)
		back, err := ParseName(plan.Name())
		if err != nil || back != plan {
			t.Fatalf("ParseName(%q) = %+v, %v; want %+v", plan.Name(), back, err, plan)
		}
		if other, ok := seen[plan.Name()]; ok && other != plan {
			t.Fatalf("%+v and %+v are both named %s", other, plan, plan.Name())
		}
		seen[plan.Name()] = plan
	}
}

func TestName(t *testing.T) {
	spec := Spec{sigattn.SM80, sigattn.Forward, 128, sigattn.BF16, sigattn.Causal, sigattn.Tanh}
	for tile, want := range map[Tile]string{
		ampere(128, 64, 3, 8, 1, none):                  "sigattn_fwd_sm80_d128_bf16_causal_tanh_128x64x3w8",
		ampere(128, 64, 3, 8, 2, none):                  "sigattn_fwd_sm80_d128_bf16_causal_tanh_128x64x3w8b2",
		ampere(128, 64, 3, 8, 1, Pipeline{32, 3, true}): "sigattn_fwd_sm80_d128_bf16_causal_tanh_128x64x3w8g32q3p",
	} {
		plan, err := NewPlan(spec, tile)
		if err != nil || plan.Name() != want {
			t.Errorf("NewPlan(%v, %v) is named %q, %v; want %q", spec, tile, plan.Name(), err, want)
		}
	}
}

func TestParseNameRefuses(t *testing.T) {
	for name, want := range map[string]error{
		"":                                     ErrKernelName,
		"sigattn_fwd_sm80_d128_bf16_causal":    ErrKernelName,
		"fwd_sm80_d128_bf16_causal_128x32x3w4": ErrKernelName,
		"sigattn_fwd_sm80_d128_bf16_causal_accurate_128x32x3w4":   ErrKernelName, // accurate is not written
		"sigattn_fwd_sm80_d128_bf16_causal_128x32x3w4b1":          ErrKernelName, // nor is one block
		"sigattn_fwd_sm_80_d128_bf16_causal_128x32x3w4":           ErrKernelName,
		"sigattn_fwd_sm70_d128_bf16_causal_128x32x3w4":            sigattn.ErrName,
		"sigattn_forward_sm80_d128_bf16_causal_128x32x3w4":        sigattn.ErrName,
		"sigattn_fwd_sm80_d100_bf16_causal_128x32x3w4":            ErrValue,
		"sigattn_fwd_sm80_d88_bf16_causal_128x32x3w4":             ErrValue, // legal for a tensor, not a kernel
		"sigattn_fwd_sm80_d128_bf16_causal_128x32":                ErrValue,
		"sigattn_fwd_sm80_d128_bf16_causal_0128x32x3w4":           ErrValue,
		"sigattn_fwd_sm86_d256_bf16_causal_128x64x3w8":            ErrBudget,
		"sigattn_fwd_sm80_d128_bf16_causal_tanh_tanh_128x32x3w4":  ErrKernelName,
		"sigattn_fwd_sm90_d128_bf16_causal_128x32x3w4":            ErrValue,
		"sigattn_fwd_sm90_d128_bf16_causal_128x128x2w12":          ErrKernelName, // Q tiles are written
		"sigattn_fwd_sm80_d128_bf16_causal_128x32x3w4\n":          ErrValue,
		"sigattn_sigattn_fwd_sm80_d128_bf16_causal_128x32x3w4":    ErrKernelName,
		"sigattn_fwd_sm80_d128_bf16_causal_128x32x3w4_128x32x3w4": sigattn.ErrName,
	} {
		if plan, err := ParseName(name); !errors.Is(err, want) {
			t.Errorf("ParseName(%q) = %+v, %v; want an error that is %v", name, plan, err, want)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("sigattn_fwd_sm80_d128_bf16_causal_128x32x3w4b2")
	f.Add("sigattn_fwd_sm90_d128_bf16_full_128x128x2w12t2")
	f.Add("sigattn_bwdfin_sm86_d32_fp16_full_tanh_64x16x1w4")
	f.Fuzz(func(t *testing.T, name string) {
		plan, err := ParseName(name)
		if err != nil {
			return
		}
		if plan.Name() != name {
			t.Fatalf("%q parsed to the plan of %q", name, plan.Name())
		}
		if err := plan.checkBudgets(); err != nil {
			t.Fatal(err)
		}
	})
}
