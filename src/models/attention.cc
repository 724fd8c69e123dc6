#include "models/attention.h"

#include "device/device.h"
#include "kernels/cpu/attention.h"
#include "kernels/fused_ops.h"
#include "models/activations.h"

namespace sdxl {

at::Tensor multi_head_attention(const at::Tensor& query, const at::Tensor& key,
                                const at::Tensor& value, int64_t heads, bool is_causal) {
  if (!is_causal && cpu_attention_takes(query, key, value, heads)) {
    return cpu_attention_op(query, key, value, heads);
  }
  const auto fused = is_causal ? nullptr : fused_attention(query.device());
  if (fused != nullptr) {
    at::Tensor mixed = fused(query, key, value, heads);
    if (mixed.defined()) return mixed;
  }
  const auto split = [heads](const at::Tensor& x) {
    return x.unflatten(-1, {heads, x.size(-1) / heads}).transpose(1, 2);  // [B, N, S, D]
  };
  const at::Tensor mixed =
      at::scaled_dot_product_attention(split(query), split(key), split(value), {}, 0.0, is_causal);
  return mixed.transpose(1, 2).flatten(2);  // [B, S, N * D]
}

Attention::Attention(Module* parent, std::string name, const AttentionOptions& options)
    : Module(parent, std::move(name)),
      heads_(options.heads),
      to_q_(this, "to_q", options.query_features, heads_ * options.head_features, false),
      to_k_(this, "to_k", options.context_features, heads_ * options.head_features, false),
      to_v_(this, "to_v", options.context_features, heads_ * options.head_features, false),
      to_out_(this, "to_out.0", heads_ * options.head_features, options.query_features) {}

at::Tensor Attention::forward(const at::Tensor& hidden, const at::Tensor& context,
                              const at::Tensor& residual, KeyValueCache* cache) const {
  std::pair<at::Tensor, at::Tensor> uncached;
  auto& key_value = cache != nullptr ? (*cache)[this] : uncached;
  read_context(context, &key_value);
  const auto& [key, value] = key_value;
  const at::Tensor mixed = multi_head_attention(to_q_.forward(hidden), key, value, heads_);
  return to_out_.forward_add(mixed, residual);
}

void Attention::read_context(const at::Tensor& context, KeyValueCache* cache) const {
  read_context(context, &(*cache)[this]);
}

void Attention::read_context(const at::Tensor& context,
                             std::pair<at::Tensor, at::Tensor>* key_value) const {
  auto& [key, value] = *key_value;
  if (key.defined()) return;
  key = to_k_.forward(context);
  value = to_v_.forward(context);
}

FeedForward::FeedForward(Module* parent, std::string name, int64_t features)
    : Module(parent, std::move(name)),
      proj_(this, "net.0.proj", features, 2 * 4 * features),
      out_(this, "net.2", 4 * features, features) {}

at::Tensor FeedForward::forward(const at::Tensor& hidden, const at::Tensor& residual) const {
  return out_.forward_add(geglu(proj_.forward(hidden)), residual);
}

}  // namespace sdxl
