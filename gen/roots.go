package gen

import "github.com/sigattn/sigattn"

// rootTemplate is the file that spec's kernel is rendered from.
func rootTemplate(spec Spec) string {
	switch {
	case isHopper(spec) && isForward(spec):
		return "sm90/forward.cu"
	case isWide(spec):
		return "sm90/backward_dkv_wide.cu"
	case isFused(spec):
		return "sm90/backward.cu"
	case isHopperDQ(spec):
		return "sm90/backward_dq.cu"
	}
	switch spec.Pass {
	case sigattn.Forward:
		return "sm80/forward.cu"
	case sigattn.BackwardFused, sigattn.BackwardDKV:
		return "sm80/backward.cu"
	case sigattn.BackwardDQ:
		return "sm80/backward_dq.cu"
	default:
		return "sm80/backward_finish.cu"
	}
}

// chosenTemplate is the file that stands in for path where it is one of a Plan's choices, else path itself.
func chosenTemplate(p Plan, path string) string {
	switch path {
	case "common/dtype.cuh":
		return "common/dtype_" + p.DType.String() + ".cuh"
	case "common/mma.cuh":
		return "common/mma_" + p.DType.String() + ".cuh"
	case "common/sigmoid.cuh":
		return "common/sigmoid_" + p.Sigmoid.String() + ".cuh"
	case "common/sigmoid_tile.cuh":
		return "common/sigmoid_tile_" + p.Sigmoid.String() + ".cuh"
	case "common/sigmoid_gradient.cuh":
		return "common/sigmoid_gradient_" + p.Sigmoid.String() + ".cuh"
	case "common/sigmoid_slope.cuh":
		return "common/sigmoid_slope_" + p.Sigmoid.String() + ".cuh"
	case "common/slope_tile.cuh":
		return "common/slope_tile_" + p.Sigmoid.String() + ".cuh"
	case "common/dq_order.cuh":
		if isHopper(p.Spec) {
			return "common/dq_order_lane.cuh"
		}
		return "common/dq_order_register.cuh"
	case "common/mask.cuh":
		return "common/mask_" + p.Mask.String() + ".cuh"
	default:
		return path
	}
}
