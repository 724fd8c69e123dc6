#include "models/module.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <atomic>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "device/device.h"
#include "device/random.h"

namespace sdxl {
namespace {

std::string dotted(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

/// The buffer of the text encoders that old versions of the reference saved.
bool is_saved_buffer(const std::string& name) {
  constexpr std::string_view kBuffer = "position_ids";
  return name.ends_with(kBuffer);
}

/// On an accelerator, copies to the parameter's memory if it fits, so that its address stays.
void set_value(at::Tensor& parameter, const at::Tensor& value) {
  const bool stays = parameter.defined() && !parameter.device().is_cpu() &&
                     parameter.scalar_type() == value.scalar_type() &&
                     parameter.sizes() == value.sizes();
  if (stays) {
    parameter.copy_(value);
  } else {
    parameter = value;
  }
}

/// Collects what does not fit between a checkpoint and a model, for one error.
class Mismatches {
 public:
  void missing(const std::string& name) { missing_.push_back(name); }
  void superfluous(const std::string& name) { superfluous_.push_back(name); }
  void wrong_shape(const std::string& name, at::IntArrayRef found, at::IntArrayRef expected) {
    wrong_.push_back(sdxl::str(name, " ", found, " for ", expected));
  }

  void throw_if_any(const std::string& source) const {
    std::vector<std::string> parts;
    describe("missing", missing_, &parts);
    describe("of the wrong shape", wrong_, &parts);
    describe("superfluous", superfluous_, &parts);
    if (parts.empty()) return;
    throw Error(ExitStatus::kBadData, escaped(source),
                " does not fit its config.json: ", join(parts, "; "),
                "; give weights and config of the same model");
  }

 private:
  static void describe(const char* what, const std::vector<std::string>& names,
                       std::vector<std::string>* parts) {
    constexpr size_t kShown = 3;
    if (names.empty()) return;
    std::vector<std::string> shown(names.begin(), names.begin() + std::min(kShown, names.size()));
    for (std::string& name : shown) name = escaped(name);
    parts->push_back(str(counted(static_cast<int64_t>(names.size()), "tensor"), ' ', what, " (",
                         join(shown, ", "), names.size() > kShown ? ", …)" : ")"));
  }

  std::vector<std::string> missing_, superfluous_, wrong_;
};

/// Moves and converts by `placement`. On accelerators a convolution's weight gets the memory format
/// of its feature maps. On the CPU a tensor that needs no conversion stays mapped from its file.
at::Tensor placed(const at::Tensor& tensor, const Placement& placement) {
  at::Tensor result = tensor.to(placement.device, placement.dtype);
  if (result.dim() == 4 && !placement.device.is_cpu() && prefers_channels_last(placement.device)) {
    result = result.contiguous(at::MemoryFormat::ChannelsLast);
  }
  return result;
}

}  // namespace

Module::Module(Module* parent, std::string name) : path_(dotted(parent->path_, name)) {
  parent->children_.push_back(this);
}

void Module::add_parameter(std::string name, at::Tensor* tensor, std::vector<int64_t> shape) {
  own_.push_back({dotted(path_, name), tensor, std::move(shape)});
}

void Module::collect(std::vector<NamedParameter>* parameters) const {
  parameters->insert(parameters->end(), own_.begin(), own_.end());
  for (const Module* child : children_) child->collect(parameters);
}

std::vector<NamedParameter> Module::parameters() const {
  std::vector<NamedParameter> all;
  collect(&all);
  return all;
}

void Module::visit(const std::function<void(Module&)>& visitor) {
  visitor(*this);
  for (Module* child : children_) child->visit(visitor);
}

void Module::load(const Weights& checkpoint, const Placement& placement) {
  const at::NoGradGuard no_grad;
  const Weights weights = adapted(checkpoint);
  const std::vector<NamedParameter> wanted = parameters();
  Mismatches mismatches;
  std::set<std::string> names;
  for (const NamedParameter& parameter : wanted) {
    names.insert(parameter.name);
    if (!weights.contains(parameter.name)) {
      mismatches.missing(parameter.name);
    } else if (const std::vector<int64_t> found = weights.sizes(parameter.name);
               found != parameter.shape) {
      mismatches.wrong_shape(parameter.name, found, parameter.shape);
    }
  }
  for (const std::string& name : weights.names()) {
    if (!names.contains(name) && !is_saved_buffer(name)) mismatches.superfluous(name);
  }
  mismatches.throw_if_any(weights.source());

  std::vector<Module*> modules;
  visit([&](Module& module) { modules.push_back(&module); });
  std::atomic<size_t> next = 0;
  const auto load_next = [&] {
    for (size_t i = next++; i < modules.size(); i = next++) {
      modules[i]->for_inference_ = placement.for_inference;
      modules[i]->load_own(weights, placement);
    }
  };
  if (!placement.device.is_cpu()) return load_next();
  // Threads share the modules because first-touch page faults dominate.
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) {
    const at::NoGradGuard no_grad_here;
    load_next();
  });
}

void Module::load_own(const Weights& weights, const Placement& placement) {
  // detach() makes a new tensor over the same memory.
  std::vector<at::Tensor> stored;
  for (const NamedParameter& parameter : own_) {
    stored.push_back(weights.tensor(parameter.name).detach());
    set_value(*parameter.tensor, placed(stored.back(), placement));
  }
  parameters_changed(for_inference_);
  for (size_t i = 0; i < own_.size(); ++i) {
    const at::Tensor& held = *own_[i].tensor;
    const bool is_view = held.layout() == at::kStrided && held.is_alias_of(stored[i]);
    if (!is_view) weights.release(own_[i].name);
  }
}

void Module::replace(at::Tensor& parameter, const at::Tensor& value) {
  set_value(parameter, value);
  parameters_changed(for_inference_);
}

void Module::initialize(uint64_t seed, const Placement& placement) {
  const at::NoGradGuard no_grad;
  std::vector<std::string> names;
  for (const NamedParameter& parameter : parameters()) names.push_back(parameter.name);
  std::sort(names.begin(), names.end());
  visit([&](Module& module) {
    for (const NamedParameter& parameter : module.own_) {
      const auto place = std::lower_bound(names.begin(), names.end(), parameter.name);
      const auto generator = stream_generator(seed, Stream::kWeights, place - names.begin());
      const std::string name = parameter.name.substr(parameter.name.rfind('.') + 1);
      const at::Tensor value = module.initial_value(name, parameter.shape, generator);
      *parameter.tensor = placed(value, placement);
    }
  });
}

void Module::to(const Placement& placement) {
  const at::NoGradGuard no_grad;
  for (const NamedParameter& parameter : parameters()) {
    at::Tensor& tensor = *parameter.tensor;
    const bool trained = tensor.requires_grad();
    const bool is_quantised = tensor.element_size() == 1;
    const at::Tensor converted =
        is_quantised ? tensor.to(placement.device) : placed(tensor, placement);
    if (converted.is_same(tensor)) continue;
    tensor = converted;
    tensor.set_requires_grad(trained);
  }
}

std::vector<std::pair<std::string, at::Tensor>> Module::state() const {
  std::vector<std::pair<std::string, at::Tensor>> state;
  for (const NamedParameter& parameter : parameters()) {
    state.emplace_back(parameter.name, parameter.tensor->detach());
  }
  return state;
}

at::Tensor Module::initial_value(const std::string& name, const std::vector<int64_t>& shape,
                                 const at::Generator&) const {
  return name == "bias" ? at::zeros(shape) : at::ones(shape);
}

}  // namespace sdxl
