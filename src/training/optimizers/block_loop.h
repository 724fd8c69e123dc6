// The loop of the optimizers on the CPU: cuts all tensors into blocks and spreads the blocks over
// all threads. A kernel gets weights and gradients in float32, whatever their dtypes.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "base/simd.h"
#include "kernels/cpu/float_blocks.h"
#include "training/trainables/parameters.h"

namespace sdxl {

/// Elements of a block; a multiple of the blocks of quantised states.
constexpr int64_t kUpdateBlock = 2048;

/// A gradient as the backward pass stored it, and the scale that the kernel has to apply.
struct RawGradient {
  const void* values = nullptr;  ///< float32 or bfloat16.
  at::ScalarType dtype = at::kFloat;
  float scale = 1.0f;
};

/// A range of elements of one tensor, in the order of its memory.
struct UpdateBlock {
  size_t index;  ///< Of the tensor.
  int64_t begin, size;
  float* weight;          ///< [size] To be updated.
  const float* gradient;  ///< [size] Scaled; null if `raw` is set.
  RawGradient raw = {};   ///< [size]
};

/// Calls `kernel` once for each block of tensors[indices[i]] with gradients[i], from many threads,
/// then stores the block's weights: float32 as they are, bfloat16 rounded stochastically by a hash
/// of (rounding_seed, index, element), which depends on neither threads nor order; then the working
/// copy. Gradients have the strides of their tensors. All tensors are on the CPU. With
/// `raw_gradients` the kernel gets gradients of float32 and bfloat16 in UpdateBlock::raw.
void update_blocks(const std::vector<TrainedTensor>& tensors, const std::vector<size_t>& indices,
                   const std::vector<at::Tensor>& gradients, double gradient_scale,
                   uint64_t rounding_seed, const std::function<void(const UpdateBlock&)>& kernel,
                   bool raw_gradients = false);

/// The seed that rounds tensor `index`: element i uses the hash of seed + i.
uint32_t element_seed(uint64_t rounding_seed, size_t index);

/// Rounds `weight` (float32) into `value` (bfloat16) on any device, bit for bit as update_blocks()
/// does.
void store_stochastically(const at::Tensor& weight, const at::Tensor& value, uint64_t rounding_seed,
                          size_t index);

/// Calls `work` once for each block of tensors with these sizes, from many threads: for passes that
/// change no weights (norms, statistics). `block` counts over all tensors.
void for_each_block(
    const std::vector<int64_t>& sizes,
    const std::function<void(size_t position, int64_t begin, int64_t size, int64_t block)>& work);
/// The number of blocks of tensors with these sizes.
int64_t count_blocks(const std::vector<int64_t>& sizes);

/// `size` elements of the memory of `tensor` from `begin` on, times `scale`, as float32. Returns
/// `buffer`, or a pointer into the tensor if nothing has to be converted.
const float* read_block(const at::Tensor& tensor, int64_t begin, int64_t size, float scale,
                        float* buffer);

}  // namespace sdxl
