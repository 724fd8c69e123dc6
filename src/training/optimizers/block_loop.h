// The fused loop of the CPU optimizers: all tensors cut into blocks, all blocks spread over all
// threads. A kernel sees weights and gradients in float32 whatever they are stored in.
#pragma once

#include <ATen/ATen.h>

#include <bit>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/simd.h"
#include "training/trainables/parameters.h"

namespace sdxl {

/// Elements of a block; a multiple of the blocks of quantised states.
constexpr int64_t kUpdateBlock = 2048;

/// A stored number as a float: bfloat16 by its bits.
inline float widened(float value) { return value; }
inline float widened(uint16_t bfloat16) {
  return std::bit_cast<float>(static_cast<uint32_t>(bfloat16) << 16);
}

/// A gradient as the backward pass left it.
struct StoredGradient {
  const void* values = nullptr;
  at::ScalarType type = at::kFloat;
  float scale = 1.0f;
};

/// Part of one tensor, counted in elements in the order of its memory.
struct UpdateBlock {
  size_t index;  ///< Of the tensor.
  int64_t begin, size;
  float* weight;          ///< [size] To be updated.
  const float* gradient;  ///< [size] Scaled; null where the kernel takes the stored one.
  /// What `gradient` is made of, for kernels that do so while they update: [size] of float32 or
  /// bfloat16, to be multiplied by the scale.
  StoredGradient stored = {};
};

/// Calls `kernel` once for each block of tensors[indices[i]] with gradients[i], from many threads.
/// Then the block's weights are stored: a float32 value as they are, a bfloat16 value rounded
/// stochastically by a hash of (rounding_seed, index, element), so that the result depends on
/// neither threads nor order; then the working copy. Gradients have their value's strides; all lie
/// on the CPU. With `takes_stored` the kernel gets float32 and bfloat16 gradients as they are
/// stored, others scaled as ever.
void update_blocks(const std::vector<TrainedTensor>& tensors, const std::vector<size_t>& indices,
                   const std::vector<at::Tensor>& gradients, double gradient_scale,
                   uint64_t rounding_seed, const std::function<void(const UpdateBlock&)>& kernel,
                   bool takes_stored = false);

/// The seed of tensor `index`'s rounding: element i takes the hash of seed + i.
uint32_t element_seed(uint64_t rounding_seed, size_t index);

/// The same rounding for a whole tensor on any device: `weight` (float32) into `value` (bfloat16),
/// bit for bit as update_blocks stores it.
void store_stochastically(const at::Tensor& weight, const at::Tensor& value, uint64_t rounding_seed,
                          size_t index);

/// Calls `work` once for each block of tensors of these sizes, from many threads; for passes that
/// need no weights (norms, statistics). `block` counts over all tensors.
void for_each_block(
    const std::vector<int64_t>& sizes,
    const std::function<void(size_t position, int64_t begin, int64_t size, int64_t block)>& work);
/// How many blocks that are.
int64_t count_blocks(const std::vector<int64_t>& sizes);

/// `size` elements of `tensor`'s memory from `begin` on, times `scale`, as float32: into `buffer`,
/// or a pointer to the tensor's own where nothing has to be done.
const float* read_block(const at::Tensor& tensor, int64_t begin, int64_t size, float scale,
                        float* buffer);

}  // namespace sdxl
