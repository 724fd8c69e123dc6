// From prompts to what the UNet is conditioned on: both text encoders' hidden states side by side
// and the pooled vector of the second.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "models/clip_text_model.h"
#include "tokenizers/tokenizer.h"

namespace sdxl {

struct PromptEmbedding {
  at::Tensor hidden_states;  ///< [B, S, D1 + D2]
  at::Tensor pooled;         ///< [B, P]
};

class PromptEncoder {
 public:
  PromptEncoder(std::shared_ptr<const Tokenizer> tokenizer,
                std::shared_ptr<const Tokenizer> tokenizer_2,
                std::shared_ptr<CLIPTextModel> text_encoder,
                std::shared_ptr<CLIPTextModel> text_encoder_2);

  /// `prompts_2` are the second encoder's texts, one for each prompt. `clip_skip` k takes hidden
  /// state -(k + 2). Text cut at the model's length is logged, unless warn_of_cuts(false).
  PromptEmbedding encode(const std::vector<std::string>& prompts,
                         const std::vector<std::string>& prompts_2, int64_t clip_skip = 0) const;
  /// Token ids [B, S] of both tokenizers.
  std::pair<at::Tensor, at::Tensor> tokenize(const std::vector<std::string>& prompts,
                                             const std::vector<std::string>& prompts_2) const;
  PromptEmbedding encode_ids(const at::Tensor& ids, const at::Tensor& ids_2,
                             int64_t clip_skip = 0) const;

  void warn_of_cuts(bool warn) { warns_of_cuts_ = warn; }

  /// Encoder 1 or 2, for those who train or adapt it.
  const std::shared_ptr<CLIPTextModel>& text_encoder(int number) const {
    return number == 1 ? text_encoder_ : text_encoder_2_;
  }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_, tokenizer_2_;
  std::shared_ptr<CLIPTextModel> text_encoder_, text_encoder_2_;
  bool warns_of_cuts_ = true;
};

}  // namespace sdxl
