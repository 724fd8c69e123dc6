// The base of all model parts: a tree of named children and parameters. Names are the checkpoint's,
// so that loading needs no rename table.
//
// Construction allocates nothing: parameters are undefined tensors until load() or initialize().
// load() shares the checkpoint's memory if dtype and device agree, else converts tensor by tensor.
#pragma once

#include <ATen/ATen.h>

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "io/pretrained.h"

namespace sdxl {

/// How load() places tensors.
struct Placement {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;
  /// Layers may repack weights for speed. Packed weights have no gradients and cannot be read
  /// directly.
  bool for_inference = false;
};

struct NamedParameter {
  std::string name;            ///< Full, dotted, as in the checkpoint.
  at::Tensor* tensor;          ///< The member of the module that owns it.
  std::vector<int64_t> shape;  ///< By the config.
};

class Module {
 public:
  /// Constructs a root.
  Module() = default;
  /// Constructs the child `name` ("to_q", "resnets.0") of `parent` and registers it there. The
  /// parent must outlive it, and neither may move.
  Module(Module* parent, std::string name);
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  const std::string& path() const { return path_; }  ///< "" for a root.
  const std::vector<Module*>& children() const { return children_; }

  /// All parameters below, depth first in order of registration (the reference's state_dict order).
  std::vector<NamedParameter> parameters() const;
  /// Calls `visitor` for this module and all below it, parents first.
  void visit(const std::function<void(Module&)>& visitor);

  /// Sets every parameter from `weights`. Error(kBadData) with the number and the first of missing,
  /// superfluous and wrongly shaped tensors, before anything is changed. Ignores the buffers of old
  /// checkpoints (position_ids).
  void load(const Weights& weights, const Placement& placement);
  /// Returns `weights` under this model's names, for checkpoints with alternative names.
  Weights under_own_names(const Weights& weights) const { return adapted(weights); }

  /// Draws random values with the distributions of the reference's constructors. The i-th parameter
  /// in the order of names' bytes uses stream_generator(seed, Stream::kWeights, i).
  void initialize(uint64_t seed, const Placement& placement);

  /// Replaces the value of one of this module's parameters. After load(), weights must be changed
  /// through here alone, so that forms derived from them (packed weights) are renewed. On the CPU
  /// the parameter becomes `value`; on an accelerator `value` is copied to its memory.
  void replace(at::Tensor& parameter, const at::Tensor& value);

  /// Converts and moves every parameter that differs from `placement`. Quantised (8-bit) weights
  /// are only moved.
  void to(const Placement& placement);
  /// All parameters' names and detached tensors, for writing.
  std::vector<std::pair<std::string, at::Tensor>> state() const;

 protected:
  void add_parameter(std::string name, at::Tensor* tensor, std::vector<int64_t> shape);
  /// Draws the initial value of this module's parameter `name`, float32. The default is that of
  /// normalisations: ones for weights, zeros for biases.
  virtual at::Tensor initial_value(const std::string& name, const std::vector<int64_t>& shape,
                                   const at::Generator& generator) const;
  /// Called when parameters of this module have new values: renews what is derived from them. With
  /// `for_inference` the layer may repack them.
  virtual void parameters_changed(bool for_inference) { (void)for_inference; }
  /// For roots: returns `weights` under this model's names.
  virtual Weights adapted(const Weights& weights) const { return weights; }

 private:
  void collect(std::vector<NamedParameter>* parameters) const;
  /// Loads the parameters of this module alone.
  void load_own(const Weights& weights, const Placement& placement);

  std::string path_;
  bool for_inference_ = false;
  std::vector<Module*> children_;
  std::vector<NamedParameter> own_;
};

/// A list of children that grows without moving them.
template <typename T>
using ModuleList = std::deque<T>;

}  // namespace sdxl
