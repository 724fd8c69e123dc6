#include "training/optimizers/block_loop.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

#include "base/random.h"

namespace sdxl {
namespace {

int64_t blocks_of(int64_t size) { return (size + kUpdateBlock - 1) / kUpdateBlock; }

template <typename T>
SDXL_SIMD void scale_values(const T* from, float scale, float* to, int64_t size) {
  for (int64_t i = 0; i < size; ++i) to[i] = widened(from[i]) * scale;
}

SDXL_SIMD void narrow_values(const float* from, at::BFloat16* to, int64_t size) {
  for (int64_t i = 0; i < size; ++i) narrow(from[i], to + i);
}

/// Rounds up or down with the probabilities that keep the mean (Zamirai et al. 2020). Element i
/// takes its 16 random bits from a hash of seed + i, modulo 2^32.
SDXL_SIMD void narrow_stochastically(const float* from, at::BFloat16* to, int64_t size,
                                     uint32_t seed) {
  for (int64_t i = 0; i < size; ++i) {
    uint32_t hash = seed + static_cast<uint32_t>(i);  // "lowbias32" of C. Wellons
    hash = (hash ^ (hash >> 16)) * 0x7FEB352Du;
    hash = (hash ^ (hash >> 15)) * 0x846CA68Bu;
    hash ^= hash >> 16;
    const uint32_t bits = std::bit_cast<uint32_t>(from[i]);
    const uint32_t rounded = (bits + (hash & 0xFFFFu)) >> 16;
    to[i].x = static_cast<uint16_t>((bits & 0x7FFFFFFFu) >= 0x7F800000u ? bits >> 16 : rounded);
  }
}

void store_working(const at::Tensor& working, int64_t begin, int64_t size, const float* weight) {
  if (working.scalar_type() == at::kBFloat16) {
    narrow_values(weight, working.data_ptr<at::BFloat16>() + begin, size);
  } else {
    std::copy(weight, weight + size, working.data_ptr<at::Half>() + begin);
  }
}

/// `gradient` from element `begin` on.
RawGradient raw_gradient(const at::Tensor& gradient, int64_t begin, float scale) {
  const auto* bytes = static_cast<const std::byte*>(gradient.const_data_ptr());
  return {bytes + begin * gradient.element_size(), gradient.scalar_type(), scale};
}

void update_one(const TrainedTensor& tensor, const at::Tensor& gradient, float scale, uint32_t seed,
                UpdateBlock block, const std::function<void(const UpdateBlock&)>& kernel,
                bool raw_gradients) {
  std::array<float, kUpdateBlock> gradient_buffer, weight_buffer;
  if (raw_gradients && gradient.scalar_type() != at::kHalf) {
    block.raw = raw_gradient(gradient, block.begin, scale);
  } else {
    block.gradient = read_block(gradient, block.begin, block.size, scale, gradient_buffer.data());
  }
  if (tensor.value.scalar_type() == at::kBFloat16) {
    at::BFloat16* stored = tensor.value.data_ptr<at::BFloat16>() + block.begin;
    block.weight = weight_buffer.data();
    scale_values(stored, 1.0f, block.weight, block.size);
    kernel(block);
    narrow_stochastically(block.weight, stored, block.size,
                          seed + static_cast<uint32_t>(block.begin));
    return;
  }
  block.weight = tensor.value.data_ptr<float>() + block.begin;
  kernel(block);
  if (tensor.working.defined()) {
    store_working(tensor.working, block.begin, block.size, block.weight);
  }
}

/// x * factor modulo 2^32, for int64 tensors of 32-bit values. Splits the factor so that no product
/// exceeds 63 bits.
at::Tensor multiply_32(const at::Tensor& x, int64_t factor) {
  at::Tensor low = x * (factor & 0xFFFF);
  at::Tensor high = ((x * (factor >> 16)).bitwise_and(0xFFFF)).bitwise_left_shift(16);
  return (low + high).bitwise_and(0xFFFFFFFF);
}

}  // namespace

uint32_t element_seed(uint64_t rounding_seed, size_t index) {
  return static_cast<uint32_t>(stream_seed(rounding_seed, Stream::kWeights, index));
}

const float* read_block(const at::Tensor& tensor, int64_t begin, int64_t size, float scale,
                        float* buffer) {
  switch (tensor.scalar_type()) {
    case at::kFloat: {
      const float* from = tensor.const_data_ptr<float>() + begin;
      if (scale == 1.0f) return from;
      scale_values(from, scale, buffer, size);
      return buffer;
    }
    case at::kBFloat16: {
      scale_values(tensor.const_data_ptr<at::BFloat16>() + begin, scale, buffer, size);
      return buffer;
    }
    default: {
      const at::Half* from = tensor.const_data_ptr<at::Half>() + begin;
      for (int64_t i = 0; i < size; ++i) buffer[i] = static_cast<float>(from[i]) * scale;
      return buffer;
    }
  }
}

int64_t count_blocks(const std::vector<int64_t>& sizes) {
  int64_t count = 0;
  for (int64_t size : sizes) count += blocks_of(size);
  return count;
}

void for_each_block(const std::vector<int64_t>& sizes,
                    const std::function<void(size_t, int64_t, int64_t, int64_t)>& work) {
  std::vector<int64_t> first = {0};  // of each tensor
  for (int64_t size : sizes) first.push_back(first.back() + blocks_of(size));
  const int64_t grain = 16;
  at::parallel_for(0, first.back(), grain, [&](int64_t from, int64_t to) {
    size_t position = std::upper_bound(first.begin(), first.end(), from) - first.begin() - 1;
    for (int64_t block = from; block < to; ++block) {
      while (block >= first[position + 1]) ++position;
      const int64_t begin = (block - first[position]) * kUpdateBlock;
      work(position, begin, std::min(kUpdateBlock, sizes[position] - begin), block);
    }
  });
}

void update_blocks(const std::vector<TrainedTensor>& tensors, const std::vector<size_t>& indices,
                   const std::vector<at::Tensor>& gradients, double gradient_scale,
                   uint64_t rounding_seed, const std::function<void(const UpdateBlock&)>& kernel,
                   bool raw_gradients) {
  std::vector<int64_t> sizes;
  for (size_t index : indices) sizes.push_back(tensors[index].value.numel());
  const float scale = static_cast<float>(gradient_scale);
  for_each_block(sizes, [&](size_t position, int64_t begin, int64_t size, int64_t) {
    const size_t index = indices[position];
    update_one(tensors[index], gradients[position], scale, element_seed(rounding_seed, index),
               {index, begin, size, nullptr, nullptr}, kernel, raw_gradients);
  });
}

void store_stochastically(const at::Tensor& weight, const at::Tensor& value, uint64_t rounding_seed,
                          size_t index) {
  const int64_t count = weight.numel();
  const auto integers = weight.options().dtype(at::kLong);
  at::Tensor hash = (at::arange(count, integers) + int64_t{element_seed(rounding_seed, index)})
                        .bitwise_and(0xFFFFFFFF);
  hash = multiply_32(hash.bitwise_xor(hash.bitwise_right_shift(16)), 0x7FEB352D);
  hash = multiply_32(hash.bitwise_xor(hash.bitwise_right_shift(15)), 0x846CA68B);
  hash = hash.bitwise_xor(hash.bitwise_right_shift(16)).bitwise_and(0xFFFF);
  // In the order of memory, as the blocks count.
  at::Tensor flat = weight.as_strided({count}, {1});
  at::Tensor bits = flat.view(at::kInt).to(at::kLong).bitwise_and(0xFFFFFFFF);
  at::Tensor rounded = (bits + hash).bitwise_right_shift(16).bitwise_left_shift(16);
  at::Tensor result = rounded.to(at::kInt).view(at::kFloat);
  at::Tensor kept = at::where(flat.isfinite(), result, flat);
  value.as_strided({count}, {1}).copy_(kept);
}

}  // namespace sdxl
