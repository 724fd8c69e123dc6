// Gradients of the trained tensors: accumulation over micro-batches, norms and clipping.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

#include "training/parallel/gradient_exchange.h"
#include "training/trainables/parameters.h"

namespace sdxl {

/// Calls `callback` whenever a backward pass has accumulated into leaf.grad(), which the callback
/// may reset. Replaces an earlier callback of the leaf; an empty one removes it.
void on_gradient(const at::Tensor& leaf, std::function<void(const at::Tensor& leaf)> callback);

/// Accumulates the gradients of several backward passes in float32, whatever the dtype of the
/// leaves. Adds and frees half-precision gradients as soon as they are ready.
class GradientSum {
 public:
  /// With one pass per step nothing is added, and gradients keep their dtype. `exchange`, if not
  /// null, receives each gradient as soon as the last pass has added to it.
  GradientSum(std::vector<TrainedTensor> tensors, int64_t passes_per_step,
              GradientExchange* exchange);
  ~GradientSum();
  GradientSum(const GradientSum&) = delete;
  GradientSum& operator=(const GradientSum&) = delete;

  /// Call before each backward pass.
  void begin_pass(bool is_last) { is_last_ = is_last; }
  /// Returns and resets the sums, parallel to the tensors; undefined for tensors without a
  /// gradient.
  std::vector<at::Tensor> take();
  /// Drops the sums. Without an exchange only: ranks always finish a step that they began.
  void discard() { take(); }

 private:
  void add(size_t index);
  /// Returns and resets the sum of tensor `index`.
  at::Tensor take(size_t index);

  std::vector<TrainedTensor> tensors_;
  std::vector<at::Tensor> sums_;  // float32, for leaves of half precision
  bool has_callbacks_ = false, is_last_ = false;
  GradientExchange* exchange_;
};

/// L2 norms of parts of the gradients on their device, [N]. The norm of the result is the norm of
/// all gradients, and not finite if any element is not. Does not wait for the device. (One float64
/// on the CPU, one float32 for each gradient elsewhere.)
at::Tensor gradient_norms(const std::vector<at::Tensor>& gradients);

/// The factor that clips gradients of this norm to `max_norm`, as torch's clip_grad_norm_ does; 1
/// if max_norm is 0 or less.
double clip_factor(double norm, double max_norm);

/// `gradient` in float32, clipped to `max_norm` if that is positive. Zeros if its `norm` ([1], on
/// the same device) is not finite. Does not wait for the device.
at::Tensor clipped(const at::Tensor& gradient, const at::Tensor& norm, double max_norm);

}  // namespace sdxl
