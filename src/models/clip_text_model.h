// CLIP's text encoders, after transformers' models/clip/modeling_clip.py: CLIPTextModel and
// CLIPTextModelWithProjection are one class with and without the projection.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>

#include "base/json.h"
#include "models/module.h"

namespace sdxl {

struct CLIPTextConfig {
  int64_t vocab_size = 49408, hidden_size = 512, intermediate_size = 2048;
  int64_t num_hidden_layers = 12, num_attention_heads = 8, max_position_embeddings = 77;
  int64_t projection_dim = 512, eos_token_id = 49407;
  double layer_norm_eps = 1e-5;
  std::string hidden_act = "quick_gelu";
  bool with_projection = false;  ///< The class is CLIPTextModelWithProjection.
  Json json;

  /// Absent keys have the reference's defaults. Error(kBadData) names `source`, the key and its
  /// value.
  static CLIPTextConfig from_json(const Json& json, const std::string& source);
};

struct CLIPTextOutput {
  at::Tensor hidden_state;  ///< [B, S, D]: entry `hidden_index` of the list of hidden states.
  at::Tensor pooled;        ///< [B, P], only with projection: of the first eos position.
};

/// Parameters have the names of transformers 4, `text_model.…`, which transformers 5 reads too.
class CLIPTextModel : public Module {
 public:
  explicit CLIPTextModel(const CLIPTextConfig& config);
  ~CLIPTextModel() override;

  /// ids [B, S] int64, S at most max_position_embeddings (else Error(kBadData)). `hidden_index`
  /// counts hidden states from the end: -1 is the last block's output, -2, which SDXL uses, its
  /// input; neither goes through the final LayerNorm. Error(kUsage) for one before the embeddings.
  CLIPTextOutput forward(const at::Tensor& ids, int64_t hidden_index = -2) const;

  const CLIPTextConfig& config() const { return config_; }
  void set_gradient_checkpointing(bool value) { gradient_checkpointing_ = value; }

 protected:
  /// Adds `text_model.` if a checkpoint's names lack it.
  Weights adapted(const Weights& weights) const override;

 private:
  struct Parts;
  at::Tensor pooled(const at::Tensor& last_hidden_state, const at::Tensor& ids) const;

  CLIPTextConfig config_;
  bool gradient_checkpointing_ = false;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sdxl
