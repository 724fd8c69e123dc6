#include "models/clip_text_model.h"

#include "base/error.h"
#include "base/text.h"
#include "models/activations.h"
#include "models/attention.h"
#include "models/config_reader.h"
#include "models/gradient_checkpointing.h"
#include "models/layers.h"

namespace sdxl {
namespace {

constexpr int64_t kMostFeatures = 1 << 20;

class CLIPEncoderLayer : public Module {
 public:
  CLIPEncoderLayer(Module* parent, std::string name, const CLIPTextConfig& config);
  /// [B, S, D] -> [B, S, D]
  at::Tensor forward(const at::Tensor& hidden) const;

 private:
  int64_t heads_;
  bool quick_gelu_;
  Linear k_proj_, v_proj_, q_proj_, out_proj_;
  LayerNorm layer_norm1_;
  Linear fc1_, fc2_;
  LayerNorm layer_norm2_;
};

CLIPEncoderLayer::CLIPEncoderLayer(Module* parent, std::string name, const CLIPTextConfig& config)
    : Module(parent, std::move(name)),
      heads_(config.num_attention_heads),
      quick_gelu_(config.hidden_act == "quick_gelu"),
      k_proj_(this, "self_attn.k_proj", config.hidden_size, config.hidden_size),
      v_proj_(this, "self_attn.v_proj", config.hidden_size, config.hidden_size),
      q_proj_(this, "self_attn.q_proj", config.hidden_size, config.hidden_size),
      out_proj_(this, "self_attn.out_proj", config.hidden_size, config.hidden_size),
      layer_norm1_(this, "layer_norm1", config.hidden_size, config.layer_norm_eps),
      fc1_(this, "mlp.fc1", config.hidden_size, config.intermediate_size),
      fc2_(this, "mlp.fc2", config.intermediate_size, config.hidden_size),
      layer_norm2_(this, "layer_norm2", config.hidden_size, config.layer_norm_eps) {}

at::Tensor CLIPEncoderLayer::forward(const at::Tensor& hidden) const {
  // 1. Attention to what stands before, padding included.
  const at::Tensor normed = layer_norm1_.forward(hidden);  // [B, S, D]
  const at::Tensor mixed =
      multi_head_attention(q_proj_.forward(normed), k_proj_.forward(normed),
                           v_proj_.forward(normed), heads_, /*is_causal=*/true);
  const at::Tensor result = hidden + out_proj_.forward(mixed);
  // 2. Feed-forward.
  const at::Tensor wide = fc1_.forward(layer_norm2_.forward(result));  // [B, S, 4 * D]
  return result + fc2_.forward(quick_gelu_ ? quick_gelu(wide) : at::gelu(wide));
}

}  // namespace

CLIPTextConfig CLIPTextConfig::from_json(const Json& json, const std::string& source) {
  ConfigReader reader(json, source);
  CLIPTextConfig config;
  config.json = json;
  const auto size = [&](const char* key, int64_t fallback) {
    return reader.integer(key, fallback, 1, kMostFeatures);
  };
  config.vocab_size = size("vocab_size", 49408);
  config.hidden_size = size("hidden_size", 512);
  config.intermediate_size = size("intermediate_size", 2048);
  config.num_hidden_layers = size("num_hidden_layers", 12);
  config.num_attention_heads = size("num_attention_heads", 8);
  config.max_position_embeddings = size("max_position_embeddings", 77);
  config.projection_dim = size("projection_dim", 512);
  config.eos_token_id = reader.integer("eos_token_id", 49407, 0, kMostFeatures);
  config.layer_norm_eps = reader.number("layer_norm_eps", 1e-5);
  config.hidden_act = reader.text("hidden_act", "quick_gelu");
  reader.supports("hidden_act", {"quick_gelu", "gelu"});
  reader.supports("attention_dropout", {0, 0.0});
  if (config.hidden_size % config.num_attention_heads != 0) {
    reader.refuse("num_attention_heads", str("it must divide hidden_size, ", config.hidden_size));
  }
  return config;
}

/// In the order of the reference's state_dict.
struct CLIPTextModel::Parts {
  Embedding token_embedding, position_embedding;
  ModuleList<CLIPEncoderLayer> layers;
  std::unique_ptr<LayerNorm> final_layer_norm;
  std::unique_ptr<Linear> text_projection;

  Parts(CLIPTextModel* model, const CLIPTextConfig& config);
};

CLIPTextModel::Parts::Parts(CLIPTextModel* model, const CLIPTextConfig& config)
    : token_embedding(model, "text_model.embeddings.token_embedding", config.vocab_size,
                      config.hidden_size),
      position_embedding(model, "text_model.embeddings.position_embedding",
                         config.max_position_embeddings, config.hidden_size) {
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    layers.emplace_back(model, str("text_model.encoder.layers.", i), config);
  }
  final_layer_norm = std::make_unique<LayerNorm>(model, "text_model.final_layer_norm",
                                                 config.hidden_size, config.layer_norm_eps);
  if (config.with_projection) {
    text_projection = std::make_unique<Linear>(model, "text_projection", config.hidden_size,
                                               config.projection_dim, /*with_bias=*/false);
  }
}

CLIPTextModel::CLIPTextModel(const CLIPTextConfig& config)
    : config_(config), parts_(std::make_unique<Parts>(this, config_)) {}

CLIPTextModel::~CLIPTextModel() = default;

CLIPTextOutput CLIPTextModel::forward(const at::Tensor& ids, int64_t hidden_index) const {
  const int64_t layers = config_.num_hidden_layers;
  const int64_t wanted = layers + 1 + hidden_index;  // counted from the embeddings
  if (wanted < 0 || wanted > layers) {
    throw Error(ExitStatus::kUsage, "hidden state ", hidden_index,
                " does not exist in a text encoder of ", layers,
                " layers; choose a smaller --clip_skip");
  }
  if (ids.size(1) > config_.max_position_embeddings) {
    throw Error(ExitStatus::kBadData, "a prompt of ", ids.size(1),
                " tokens is too long for a text encoder of ", config_.max_position_embeddings,
                " positions: tokenizer and encoder do not "
                "belong together");
  }
  // 1. Embeddings.
  const at::Tensor positions = at::arange(ids.size(1), ids.options());
  at::Tensor hidden = parts_->token_embedding.forward(ids) +
                      parts_->position_embedding.forward(positions);  // [B, S, D]
  // 2. Layers: all of them for the pooled vector, else those up to the wanted state.
  CLIPTextOutput output;
  for (int64_t i = 0; i < layers; ++i) {
    if (i == wanted) output.hidden_state = hidden;
    if (i >= wanted && !parts_->text_projection) break;
    const CLIPEncoderLayer& layer = parts_->layers[i];
    hidden = run_block(gradient_checkpointing_, {hidden},
                       [&layer](const auto& inputs) { return layer.forward(inputs[0]); });
  }
  if (wanted == layers) output.hidden_state = hidden;
  // 3. The pooled vector.
  if (parts_->text_projection) output.pooled = pooled(hidden, ids);  // [B, P]
  return output;
}

at::Tensor CLIPTextModel::pooled(const at::Tensor& last_hidden_state, const at::Tensor& ids) const {
  // Configs written before the id was corrected say 2; with these, the highest id is the end.
  const at::Tensor ends =
      config_.eos_token_id == 2 ? ids : ids.eq(config_.eos_token_id).to(at::kInt);
  const at::Tensor rows = at::arange(ids.size(0), ids.options());
  const at::Tensor state = last_hidden_state.index({rows, ends.argmax(1)});  // [B, D]
  return parts_->text_projection->forward(parts_->final_layer_norm->forward(state));
}

Weights CLIPTextModel::adapted(const Weights& weights) const {
  return weights.renamed([this](const std::string& name) -> std::string {
    if (name.starts_with("text_model.")) return name;
    if (name.starts_with("text_projection.")) {
      // Files of the plain class may hold the projection of the class that has one.
      return config_.with_projection ? name : "";
    }
    return "text_model." + name;
  });
}

}  // namespace sdxl
