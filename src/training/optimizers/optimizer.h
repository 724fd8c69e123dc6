// Optimizers. Each algorithm is one file in training/optimizers/ and one line in the table of
// optimizer.cc.
//
// On the CPU a step is one pass over all tensors in all threads (optimizers/block_loop.h):
// gradients are unscaled and clipped, states and weights updated, and the model's copies rewritten
// while a block is in cache. On other devices the same arithmetic runs through ATen.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "training/optimizers/block_loop.h"
#include "training/trainables/parameters.h"

namespace sdxl {

struct OptimizerOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  uint64_t seed = 0;  ///< Of the stochastic rounding of bfloat16 weights.
  /// Numbers that one algorithm alone knows, by name; its file says which and their defaults.
  std::map<std::string, double> arguments = {};
  bool whole_tensors = false;  ///< The CPU computes as other devices do, to compare the two.
};

/// What holds for one step.
struct StepScale {
  double learning_rate = 1.0;  ///< The schedule's multiplier of every group's learning rate.
  double gradient = 1.0;       ///< Every gradient is multiplied by this first.
};

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

class Optimizer {
 public:
  /// Shares the tensors' storage with the groups. States lie on the tensors' devices.
  Optimizer(std::vector<ParameterGroup> groups, OptimizerOptions options);
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One step. `gradients` are parallel to tensors(): float32, bfloat16 or float16, of any strides.
  /// A tensor whose gradient is undefined is left alone.
  void step(const std::vector<at::Tensor>& gradients, const StepScale& scale);

  /// The same tensor by tensor, as gradients become ready: begin_step, then update_tensor of each
  /// index at most once in any order, each with a scale of its own. Only where can_update_singly().
  virtual bool can_update_singly() const { return true; }
  void begin_step(const StepScale& scale);
  void update_tensor(size_t index, const at::Tensor& gradient, double gradient_scale);

  /// The live state tensors, named after their kind and tensor: "exp_avg.conv_in.weight".
  virtual NamedTensors state() const = 0;
  /// Numbers that belong to the state besides steps_taken().
  virtual Json scalars() const { return Json::object(); }
  /// Takes back a saved state; `find` gives the tensor of a name. Error(kBadData) names `source`
  /// when a shape or scalar does not fit.
  void load(const std::function<at::Tensor(const std::string&)>& find, const Json& scalars,
            int64_t steps_taken, const std::string& source);

  /// Of the first group.
  double peak_learning_rate() const { return groups_.front().learning_rate; }
  int64_t steps_taken() const { return steps_taken_; }
  uint64_t state_bytes() const;
  const std::vector<TrainedTensor>& tensors() const { return tensors_; }
  const OptimizerOptions& options() const { return options_; }

 protected:
  /// Before the first tensor of a step; steps_taken() counts the step already.
  virtual void prepare() {}
  /// Before the updates of a whole step, for algorithms that look at all tensors first; the
  /// gradients are not scaled yet.
  virtual void survey(const std::vector<size_t>& indices, const std::vector<at::Tensor>& gradients);
  /// Whether the CPU too takes update_tensors, for algorithms whose blocks depend on each other.
  virtual bool needs_whole_tensors() const { return false; }
  /// On the CPU: updates a block of weights in place and the states that go with it. Called from
  /// many threads.
  virtual void update_block(const UpdateBlock& block) = 0;
  /// Whether update_block scales and widens stored gradients itself.
  virtual bool takes_stored() const { return false; }
  /// On other devices: the same for whole tensors (indices into tensors()); weights and gradients
  /// are float32, the gradients scaled and free to be overwritten.
  virtual void update_tensors(const std::vector<size_t>& indices,
                              const std::vector<at::Tensor>& weights,
                              const std::vector<at::Tensor>& gradients) = 0;
  /// On other devices: the whole step of these tensors in one pass, by the device's plugin;
  /// gradients are neither scaled nor converted. False where there is none, and nothing was done.
  virtual bool update_fused(const std::vector<size_t>&, const std::vector<at::Tensor>&) {
    return false;
  }
  virtual void load_scalars(const Json& scalars, const std::string& source);

  const StepScale& scale() const { return scale_; }
  /// Of the stochastic rounding in this step.
  uint64_t rounding_seed() const;
  /// The learning rate of a tensor in this step, and its weight decay.
  double learning_rate(size_t index) const;
  double weight_decay(size_t index) const;
  bool on_cpu() const { return tensors_.empty() || tensors_.front().value.is_cpu(); }
  /// An algorithm's own number: what was given, or its default.
  double argument(const char* name, double fallback) const;
  /// A zeroed float32 state for each tensor, in its strides.
  std::vector<at::Tensor> zero_states() const;
  /// Adds `kind`.NAME for every tensor.
  void append_state(NamedTensors& to, const char* kind,
                    const std::vector<at::Tensor>& states) const;

 private:
  void update(const std::vector<size_t>& indices, const std::vector<at::Tensor>& gradients);
  void update_whole(const std::vector<size_t>& indices, const std::vector<at::Tensor>& gradients);
  /// Rounds `weight` (float32) into the value of tensor `index`, and both into its working copy.
  void store(size_t index, const at::Tensor& weight) const;

  std::vector<ParameterGroup> groups_;
  std::vector<TrainedTensor> tensors_;
  std::vector<size_t> group_of_;
  OptimizerOptions options_;
  StepScale scale_;
  int64_t steps_taken_ = 0;
};

/// By name ("adamw"); Error(kUsage) for one that is not in the table, or for an argument that it
/// does not know.
std::unique_ptr<Optimizer> make_optimizer(const std::string& name,
                                          std::vector<ParameterGroup> groups,
                                          const OptimizerOptions& options);
std::vector<std::string> optimizer_names();

}  // namespace sdxl
