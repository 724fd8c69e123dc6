// Optimizers as the trainer sees them, and what all algorithms share.
//
// An algorithm derives from ElementwiseOptimizer if the step of an element needs only the gradient
// and states of that element, and from WholeTensorOptimizer otherwise. registry.cc lists them all.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "training/trainables/parameters.h"

namespace sdxl {

struct OptimizerOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  uint64_t seed = 0;  ///< Seeds the stochastic rounding of bfloat16 weights.
  /// Numbers that only one algorithm has, by name. Its file lists them with their defaults.
  std::map<std::string, double> arguments = {};
  /// Makes the CPU compute as other devices do, so that tests can compare the two.
  bool whole_tensors = false;
};

/// Factors of one step.
struct StepScale {
  double lr_factor = 1.0;  ///< Multiplies the learning rate of every group: the schedule's value.
  double gradient = 1.0;   ///< Multiplies every gradient before it is used.
};

/// What an algorithm can do besides a whole step on one process.
struct OptimizerTraits {
  /// The step of a tensor depends on no other tensor. --fused_backward and --zero_stage 1 need it.
  bool supports_per_tensor_step = true;
  /// ElementwiseOptimizer::update_block() reads gradients of float32 and bfloat16 as they are
  /// stored, and scales them itself.
  bool accepts_raw_gradients = false;
};

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  const OptimizerTraits& traits() const { return traits_; }

  /// One step. `gradients` are parallel to tensors(): float32, bfloat16 or float16, of any strides.
  /// A tensor with an undefined gradient stays as it is.
  void step(const std::vector<at::Tensor>& gradients, const StepScale& scale);

  /// The same step tensor by tensor, as gradients become ready: first begin_step(), then
  /// step_tensor() at most once for each tensor, in any order. Each call replaces the scale of the
  /// gradient. Requires traits().supports_per_tensor_step.
  void begin_step(const StepScale& scale);
  void step_tensor(size_t index, const at::Tensor& gradient, double gradient_scale);

  /// The live state tensors, named KIND.TENSOR: "exp_avg.conv_in.weight".
  virtual NamedTensors state() const = 0;
  /// Numbers of the state besides steps_taken().
  virtual Json scalars() const { return Json::object(); }
  /// Restores a saved state; `find` returns the tensor of a name. Error(kBadData) names `source` if
  /// a shape, dtype or scalar does not fit.
  void load(const std::function<at::Tensor(const std::string&)>& find, const Json& scalars,
            int64_t steps_taken, const std::string& source);

  /// The learning rate of the first group, before the schedule.
  double peak_learning_rate() const { return groups_.front().learning_rate; }
  int64_t steps_taken() const { return steps_taken_; }
  uint64_t state_bytes() const;
  const std::vector<TrainedTensor>& tensors() const { return tensors_; }
  /// Names that the algorithm reads from OptimizerOptions::arguments.
  const std::set<std::string>& argument_names() const { return argument_names_; }

 protected:
  /// Shares the tensors' storage with the groups. Keeps states on the tensors' devices.
  Optimizer(std::vector<ParameterGroup> groups, OptimizerOptions options, OptimizerTraits traits);

  /// Called before the first tensor of a step. steps_taken() already counts the step.
  virtual void prepare_step() {}
  /// Called before a whole step, for algorithms that need sums over all gradients. `indices` are
  /// those of the tensors; the gradients have their tensors' strides and are not scaled yet.
  virtual void inspect_gradients(const std::vector<size_t>&, const std::vector<at::Tensor>&) {}
  virtual void load_scalars(const Json&, const std::string&) {}

  /// `weights` and `gradients` of the tensors `indices`, to be updated in place.
  using TensorsUpdate =
      std::function<void(const std::vector<size_t>& indices, const std::vector<at::Tensor>& weights,
                         const std::vector<at::Tensor>& gradients)>;
  /// Calls `update` with float32 copies of weights and scaled gradients, for as many tensors at
  /// once as fit into a bounded amount of memory. Then stores the weights.
  void update_in_float32(const std::vector<size_t>& indices,
                         const std::vector<at::Tensor>& gradients, const TensorsUpdate& update);

  const OptimizerOptions& options() const { return options_; }
  const StepScale& scale() const { return scale_; }
  /// Seeds the stochastic rounding of this step.
  uint64_t rounding_seed() const;
  /// The learning rate and weight decay of a tensor in this step.
  double learning_rate(size_t index) const;
  double weight_decay(size_t index) const;
  bool on_cpu() const { return tensors_.empty() || tensors_.front().value.is_cpu(); }
  /// The number given for `name` in OptimizerOptions::arguments, or `fallback`. For constructors.
  double argument(const char* name, double fallback);
  /// A float32 tensor of zeros for each trained tensor, in its strides.
  std::vector<at::Tensor> zero_states() const;
  /// Appends KIND.NAME for each trained tensor.
  void append_state(NamedTensors& to, const char* kind,
                    const std::vector<at::Tensor>& states) const;

 private:
  /// Updates weights and states of the tensors `indices`. The gradients are not scaled; they have
  /// the strides and devices of their tensors.
  virtual void update(const std::vector<size_t>& indices,
                      const std::vector<at::Tensor>& gradients) = 0;
  /// Rounds `weight` (float32) into the value of tensor `index` and its working copy.
  void store(size_t index, const at::Tensor& weight) const;

  std::vector<ParameterGroup> groups_;
  std::vector<TrainedTensor> tensors_;
  std::vector<size_t> group_of_;
  OptimizerOptions options_;
  OptimizerTraits traits_;
  std::set<std::string> argument_names_;
  StepScale scale_;
  int64_t steps_taken_ = 0;
};

}  // namespace sdxl
