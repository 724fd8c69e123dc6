// Gradients of the trained tensors: collected over micro-batches, measured, handed to the
// optimizer.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

#include "training/parallel/gradient_exchange.h"
#include "training/trainables/parameters.h"

namespace sdxl {

/// Calls `callback` whenever a backward pass has put a gradient into leaf.grad(). The callback may
/// take it away. Stays until the leaf dies or another callback (or an empty one) takes its place.
void on_gradient(const at::Tensor& leaf, std::function<void(const at::Tensor& leaf)> callback);

/// Adds up the gradients of several backward passes in float32, whatever the leaves' dtype. A
/// gradient in half precision is added and freed as soon as it is ready.
class GradientSum {
 public:
  /// With one backward pass a step nothing has to be added, and gradients keep their dtype. With an
  /// exchange (which may be null) each goes there as soon as the last pass has added to it.
  GradientSum(std::vector<TrainedTensor> tensors, int64_t passes_per_step,
              GradientExchange* exchange);
  ~GradientSum();
  GradientSum(const GradientSum&) = delete;
  GradientSum& operator=(const GradientSum&) = delete;

  /// Before each backward pass.
  void begin_pass(bool is_last) { is_last_ = is_last; }
  /// The sums since the last call, parallel to the tensors; undefined where no pass gave any.
  std::vector<at::Tensor> take();
  /// Forgets them. Not with an exchange, where a step that was begun is finished.
  void discard() { take(); }

 private:
  void add(size_t index);
  /// The sum of tensor `index`, taken away.
  at::Tensor take(size_t index);

  std::vector<TrainedTensor> tensors_;
  std::vector<at::Tensor> sums_;  // float32; used where the leaf's own gradient is not
  bool in_sums_ = false, is_last_ = false;
  GradientExchange* exchange_;
};

/// L2 norms of parts of the gradients, on their device, [N]: the norm of these is that of all
/// together; NaN or infinite if any element is. Does not wait for the device. (On the CPU one
/// float64, elsewhere a float32 for each gradient.)
at::Tensor gradient_norms(const std::vector<at::Tensor>& gradients);

/// What to multiply gradients of this norm by so that it is at most `max_norm` (torch's
/// clip_grad_norm_); 1 where max_norm is not positive.
double clip_factor(double norm, double max_norm);

/// `gradient` in float32, clipped to `max_norm` where that is positive; zeros where its `norm`
/// ([1], on the same device) is not finite. Does not wait for the device.
at::Tensor clipped(const at::Tensor& gradient, const at::Tensor& norm, double max_norm);

}  // namespace sdxl
