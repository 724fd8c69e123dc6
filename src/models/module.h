// The base of every model part: a tree of named children and parameters whose names are those of
// the checkpoint, so that loading needs no rename table.
//
// Construction allocates nothing: parameters are undefined tensors until load() gives them the
// checkpoint's (as they lie when dtype and device agree, else converted one by one), or
// initialize() random values.
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
  /// The weights are only multiplied with: layers may keep them in an order of their own, which
  /// costs them gradients and everyone else their reading.
  bool for_inference = false;
};

struct NamedParameter {
  std::string name;            ///< Full, dotted, as in the checkpoint.
  at::Tensor* tensor;          ///< The member of the module that owns it.
  std::vector<int64_t> shape;  ///< What the config says.
};

class Module {
 public:
  /// A root.
  Module() = default;
  /// A child that `parent` knows by `name` ("to_q", "resnets.0"); registers itself. The parent
  /// outlives it and neither moves.
  Module(Module* parent, std::string name);
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  const std::string& path() const { return path_; }  ///< "" for a root.
  const std::vector<Module*>& children() const { return children_; }

  /// All parameters below, depth first in order of registration (the reference's state_dict order).
  std::vector<NamedParameter> parameters() const;
  void visit(const std::function<void(Module&)>& visitor);

  /// Fills every parameter from `weights`. Missing, superfluous or wrongly shaped tensors are
  /// Error(kBadData) that lists the first of them and their number, and nothing is changed then.
  /// Buffers that old checkpoints carry (position_ids) are passed over.
  void load(const Weights& weights, const Placement& placement);
  /// `weights` under this root's own names, where checkpoints have others too.
  Weights under_own_names(const Weights& weights) const { return adapted(weights); }

  /// Random values as the reference's constructors draw them, from the weights stream: the i-th
  /// parameter in order of its name's bytes uses stream_generator(seed, Stream::kWeights, i).
  void initialize(uint64_t seed, const Placement& placement);

  /// Replaces the value of a parameter of this module itself, such as a layer's weight, and tells
  /// the module. After load() weights are changed through here alone, so that what a layer keeps of
  /// them in another form (prepacked weights) follows. On the CPU the parameter becomes `value`; on
  /// an accelerator its memory is filled, and stays where it is.
  void replace(at::Tensor& parameter, const at::Tensor& value);

  /// Converts or moves in place every parameter that differs; 8-bit codes are moved alone.
  void to(const Placement& placement);
  /// Names and tensors for writing.
  std::vector<std::pair<std::string, at::Tensor>> state() const;
  void set_requires_grad(bool value);

 protected:
  void add_parameter(std::string name, at::Tensor* tensor, std::vector<int64_t> shape);
  /// Draws the initial value of parameter `name` of this module in float32; layers say their own,
  /// the default is that of normalisations: ones for weights, zeros for biases.
  virtual at::Tensor initial_value(const std::string& name, const std::vector<int64_t>& shape,
                                   const at::Generator& generator) const;
  /// Own parameters have new values: what was derived from the old ones is to be dropped. With
  /// `for_inference` they may be put into an order of the layer's own.
  virtual void parameters_changed(bool for_inference) { (void)for_inference; }
  /// For roots: `weights` under this model's names, where checkpoints have others too.
  virtual Weights adapted(const Weights& weights) const { return weights; }

 private:
  void collect(std::vector<NamedParameter>* parameters) const;
  /// Loads this module's own parameters.
  void load_own(const Weights& weights, const Placement& placement);

  std::string path_;
  bool for_inference_ = false;
  std::vector<Module*> children_;
  std::vector<NamedParameter> own_;
};

/// Children of one kind; it grows without moving them.
template <typename T>
using ModuleList = std::deque<T>;

}  // namespace sdxl
