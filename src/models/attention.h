// Attention and the feed-forward layer of the UNet's transformers, after diffusers'
// models/attention_processor.py and attention.py.
#pragma once

#include <ATen/ATen.h>

#include <unordered_map>

#include "models/layers.h"

namespace sdxl {

/// softmax(q k^T / sqrt(head width)) v for each of `heads` heads, by the device's fused kernel.
/// query [B, S, N * D], key and value [B, T, N * D] -> [B, S, N * D].
at::Tensor multi_head_attention(const at::Tensor& query, const at::Tensor& key,
                                const at::Tensor& value, int64_t heads, bool is_causal = false);

struct AttentionOptions {
  int64_t query_features = 0, context_features = 0;
  int64_t heads = 1, head_features = 64;
};

class Attention;

/// Keys and values by layer, for a context that does not change between calls.
using KeyValueCache = std::unordered_map<const Attention*, std::pair<at::Tensor, at::Tensor>>;

class Attention : public Module {
 public:
  Attention(Module* parent, std::string name, const AttentionOptions& options);
  /// hidden [B, S, D], context [B, T, E] (hidden itself for self-attention) -> [B, S, D], plus
  /// `residual` of that shape. With a cache, only the first call reads the context.
  at::Tensor forward(const at::Tensor& hidden, const at::Tensor& context,
                     const at::Tensor& residual, KeyValueCache* cache = nullptr) const;
  /// Fills `cache` as the first forward() with it would.
  void read_context(const at::Tensor& context, KeyValueCache* cache) const;

 private:
  /// Computes key and value, [B, T, N * D], unless they are defined.
  void read_context(const at::Tensor& context, std::pair<at::Tensor, at::Tensor>* key_value) const;

  int64_t heads_;
  Linear to_q_, to_k_, to_v_, to_out_;
};

/// GEGLU (Shazeer 2020) with a hidden width of four times the features.
class FeedForward : public Module {
 public:
  FeedForward(Module* parent, std::string name, int64_t features);
  /// [B, S, D] -> [B, S, D], plus `residual`.
  at::Tensor forward(const at::Tensor& hidden, const at::Tensor& residual) const;

 private:
  Linear proj_, out_;
};

}  // namespace sdxl
