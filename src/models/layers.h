// The layers of the models. Members carry the checkpoint's names.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>

#include "models/module.h"

namespace sdxl {

class Linear;
class Conv2d;

/// Replaces the arithmetic of a linear layer: adapters in training, quantised weights.
class LinearOverride {
 public:
  virtual ~LinearOverride() = default;
  /// As Linear::forward().
  virtual at::Tensor forward(const Linear& layer, const at::Tensor& input) const = 0;
  /// The weight that forward() computes with, dequantised: [out, in] float32.
  virtual at::Tensor weight(const Linear& layer) const;
};
/// Replaces the arithmetic of a convolution.
class ConvOverride {
 public:
  virtual ~ConvOverride() = default;
  virtual at::Tensor forward(const Conv2d& layer, const at::Tensor& input) const = 0;
};

class Linear : public Module {
 public:
  Linear(Module* parent, std::string name, int64_t in_features, int64_t out_features,
         bool with_bias = true);
  /// [.., in] -> [.., out], by `override_` if there is one.
  at::Tensor forward(const at::Tensor& input) const;
  /// forward(input) + residual; in one pass if a kernel can do both.
  at::Tensor forward_add(const at::Tensor& input, const at::Tensor& residual) const;
  /// forward() without `override_`.
  at::Tensor base_forward(const at::Tensor& input) const;

  at::Tensor weight;  ///< [out, in], perhaps packed (packed_weights.h)
  at::Tensor bias;    ///< [out], undefined without one
  std::shared_ptr<const LinearOverride> override_;
  int64_t in_features, out_features;

 protected:
  at::Tensor initial_value(const std::string& name, const std::vector<int64_t>& shape,
                           const at::Generator& generator) const override;
  void parameters_changed(bool for_inference) override;
};

class Conv2d : public Module {
 public:
  Conv2d(Module* parent, std::string name, int64_t in_channels, int64_t out_channels,
         int64_t kernel_size, int64_t stride = 1, int64_t padding = 0);
  /// [B, in, H, W] -> [B, out, H', W']
  at::Tensor forward(const at::Tensor& input) const;
  /// forward(input) + residual; in one pass if a kernel can do both.
  at::Tensor forward_add(const at::Tensor& input, const at::Tensor& residual) const;
  /// forward() without `override_`.
  at::Tensor base_forward(const at::Tensor& input) const;

  at::Tensor weight;  ///< [out, in, k, k], perhaps packed (packed_weights.h)
  at::Tensor bias;    ///< [out]
  std::shared_ptr<const ConvOverride> override_;
  int64_t in_channels, out_channels, kernel_size, stride, padding;

 protected:
  at::Tensor initial_value(const std::string& name, const std::vector<int64_t>& shape,
                           const at::Generator& generator) const override;
  void parameters_changed(bool for_inference) override;

 private:
  at::Tensor winograd(const at::Tensor& input, const at::Tensor& residual) const;

  bool for_inference_ = false;
};

class GroupNorm : public Module {
 public:
  GroupNorm(Module* parent, std::string name, int64_t groups, int64_t channels, double eps);
  /// [B, C, H, W] -> [B, C, H, W]
  at::Tensor forward(const at::Tensor& input) const;
  /// SiLU of the normalised input + shift; shift [B, C] or undefined.
  at::Tensor forward_silu(const at::Tensor& input, const at::Tensor& shift = {}) const;

  at::Tensor weight, bias;
  int64_t groups, channels;
  double eps;
};

class LayerNorm : public Module {
 public:
  LayerNorm(Module* parent, std::string name, int64_t features, double eps = 1e-5);
  at::Tensor forward(const at::Tensor& input) const;

  at::Tensor weight, bias;
  int64_t features;
  double eps;
};

class Embedding : public Module {
 public:
  Embedding(Module* parent, std::string name, int64_t count, int64_t features);
  at::Tensor forward(const at::Tensor& ids) const;

  at::Tensor weight;  ///< [count, features]
  int64_t count, features;

 protected:
  at::Tensor initial_value(const std::string& name, const std::vector<int64_t>& shape,
                           const at::Generator& generator) const override;
};

}  // namespace sdxl
