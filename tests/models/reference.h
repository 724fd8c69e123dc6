// What tools/reference/models.py stored, and the hashed weights and inputs that it used.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "io/safetensors.h"
#include "models/module.h"

namespace sdxl {

/// Uniform float32 in [-1, 1) from the FNV-1a hash of `name` and the position.
at::Tensor hashed_values(const std::string& name, at::IntArrayRef shape);
/// The value that the reference gave a parameter.
at::Tensor hashed_weight(const std::string& name, at::IntArrayRef shape);
/// Loads `model` with its parameters' hashed values.
void load_hashed_weights(Module& model, at::ScalarType dtype = at::kFloat);
Weights hashed_weights(const Module& model);
/// Makes all parameters of `model` require gradients.
inline void require_gradients(const Module& model) {
  for (const NamedParameter& parameter : model.parameters()) {
    parameter.tensor->set_requires_grad(true);
  }
}

struct Reference {
  explicit Reference(const std::string& name);
  Json config;
  std::vector<std::string> parameters;  ///< Names in the order of the reference's state_dict.
  TensorMap tensors;
};

/// The largest difference, relative to the largest value of `expected`.
double relative_error(const at::Tensor& actual, const at::Tensor& expected);

/// The sum that the reference's gradients are of: each output times a hashed direction.
at::Tensor weighted_sum(const std::vector<at::Tensor>& outputs);

/// The gradients of all parameters and of `inputs` against the digests of `reference`.
void expect_gradients(const Module& model,
                      const std::vector<std::pair<std::string, at::Tensor>>& inputs,
                      const Reference& reference);

}  // namespace sdxl
