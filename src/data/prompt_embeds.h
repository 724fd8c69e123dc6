// What both text encoders make of one prompt, or of a batch of them.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

/// Undefined tensors stand for embeddings that are absent.
struct PromptEmbeds {
  /// The encoders' hidden states side by side: [S, D] for one prompt, [B, S, D] for a batch.
  at::Tensor prompt_embeds;
  /// The pooled vector of the second encoder: [P] for one prompt, [B, P] for a batch.
  at::Tensor pooled_prompt_embeds;
};

}  // namespace sdxl
