package corpus

import "slices"

// Programs lists the corpus. A program's name is its recording's.
func Programs() []*Program {
	return slices.Concat(
		integerPrograms(),     // integer16, integer32, divide32, divide64, integer64, multiply_add
		logicPrograms(),       // logic, shift, permute, insert, logic3
		comparePrograms(),     // compare_integer, compare_float, select
		convertPrograms(),     // convert_integer, convert_to_integer, convert_from_half, convert_from_bfloat, convert_to_half
		floatPrograms(),       // float, fused, saturate
		packedPrograms(),      // packed
		approximatePrograms(), // approximate
		accessPrograms(),      // load_global, load_shared, load_param, store_global, store_shared
		warpPrograms(),        // shuffle, shuffle_up, shuffle_clamp, vote
		barrierPrograms(),     // barrier, barrier_vote
		matrixPrograms(),      // load_matrix, multiply_bf16, multiply_fp16
		copyPrograms(),        // copy_async
		atomicPrograms(),      // atomic_add
		branchPrograms(),      // branch, operand, variable
		productPrograms(),     // wgmma_bf16, wgmma_transposed, wgmma_registers, wgmma_regions, wgmma_swizzle, …
		bulkPrograms(),        // bulk_load, bulk_store, bulk_reduce, reduce_vector
		tensorPrograms(),      // tensor_load_1d, …, tensor_store_2d, tensor_store_4d, tensor_reduce, tensor_phase, wgmma_tensor
		mbarrierPrograms(),    // mbarrier_phases, mbarrier_bytes, mbarrier_copies
		hopperPrograms(),      // store_matrix, elect, fences, compare_pairs, compare_half, convert_small, convert_from_small
		clusterPrograms(),     // cluster_indices, cluster_memory, cluster_mbarrier, cluster_copies, cluster_tensor
		registerPrograms(),    // register_counts
	)
}
