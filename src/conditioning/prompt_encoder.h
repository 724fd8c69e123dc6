// Encodes prompts with both text encoders of SDXL.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/prompt_embeds.h"
#include "models/clip_text_model.h"
#include "tokenizers/tokenizer.h"

namespace sdxl {

class PromptEncoder {
 public:
  /// Error(kBadData) if the tokenizers pad to different lengths or to more tokens than the encoders
  /// take.
  PromptEncoder(std::shared_ptr<const Tokenizer> tokenizer,
                std::shared_ptr<const Tokenizer> tokenizer_2,
                std::shared_ptr<CLIPTextModel> text_encoder,
                std::shared_ptr<CLIPTextModel> text_encoder_2);

  /// Encodes a batch: embeddings [B, S, D1 + D2] and [B, P] on the encoders' device. `prompts_2`
  /// has the second encoder's text for each prompt. `clip_skip` k takes hidden state -(k + 2).
  /// Warns of text beyond the tokenizers' length, unless warn_of_cuts(false).
  PromptEmbeds encode(const std::vector<std::string>& prompts,
                      const std::vector<std::string>& prompts_2, int64_t clip_skip = 0) const;
  /// The token ids [B, S] of each tokenizer.
  std::pair<at::Tensor, at::Tensor> tokenize(const std::vector<std::string>& prompts,
                                             const std::vector<std::string>& prompts_2) const;
  PromptEmbeds encode_ids(const at::Tensor& ids, const at::Tensor& ids_2,
                          int64_t clip_skip = 0) const;

  void warn_of_cuts(bool warn) { warns_of_cuts_ = warn; }

  /// Encoder 1 or 2, for training and LoRA adapters.
  const std::shared_ptr<CLIPTextModel>& text_encoder(int number) const {
    return number == 1 ? text_encoder_ : text_encoder_2_;
  }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_, tokenizer_2_;
  std::shared_ptr<CLIPTextModel> text_encoder_, text_encoder_2_;
  bool warns_of_cuts_ = true;
};

}  // namespace sdxl
