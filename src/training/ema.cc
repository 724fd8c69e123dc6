#include "training/ema.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>

#include "training/optimizers/block_loop.h"

namespace sdxl {
namespace {

SDXL_SIMD void average(float one_minus_decay, const float* weight, float* value, int64_t size) {
  for (int64_t i = 0; i < size; ++i) value[i] -= one_minus_decay * (value[i] - weight[i]);
}

}  // namespace

Ema::Ema(std::vector<TrainedTensor> tensors, EmaOptions options)
    : tensors_(std::move(tensors)), options_(options) {
  const at::NoGradGuard no_grad;
  for (const TrainedTensor& tensor : tensors_) {
    values_.push_back(at::empty_like(tensor.value.detach(),
                                     at::TensorOptions().device(at::kCPU).dtype(at::kFloat)));
    values_.back().copy_(tensor.value);
  }
}

double Ema::decay(int64_t update) const {
  const int64_t step = options_.first_step_decays ? update : update - 1;
  if (step <= 0) return 0.0;
  const auto n = static_cast<double>(step);
  return std::min(options_.max_decay, (1.0 + n) / (10.0 + n));
}

void Ema::update() {
  const at::NoGradGuard no_grad;
  const auto one_minus_decay = static_cast<float>(1.0 - decay(++updates_));
  std::vector<int64_t> sizes;
  std::vector<at::Tensor> weights;
  for (const TrainedTensor& tensor : tensors_) {
    sizes.push_back(tensor.value.numel());
    weights.push_back(tensor.value.to(at::kCPU));
  }
  for_each_block(sizes, [&](size_t position, int64_t begin, int64_t size, int64_t) {
    std::array<float, kUpdateBlock> buffer;
    average(one_minus_decay, read_block(weights[position], begin, size, 1.0f, buffer.data()),
            values_[position].data_ptr<float>() + begin, size);
  });
}

void Ema::load(const std::vector<at::Tensor>& values, int64_t updates) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < values_.size(); ++i) values_[i].copy_(values[i]);
  updates_ = updates;
}

Json Ema::config() const {
  return {{"decay", options_.max_decay},   {"inv_gamma", 1.0},   {"min_decay", 0.0},
          {"optimization_step", updates_}, {"power", 2.0 / 3.0}, {"update_after_step", 0},
          {"use_ema_warmup", false}};
}

}  // namespace sdxl
