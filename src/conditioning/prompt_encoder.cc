#include "conditioning/prompt_encoder.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

namespace sdxl {
namespace {

/// [B, S]
at::Tensor token_ids(const Tokenizer& tokenizer, const std::vector<std::string>& prompts,
                     bool warn_of_cuts) {
  const int64_t length = tokenizer.model_max_length();
  at::Tensor ids = at::empty({static_cast<int64_t>(prompts.size()), length}, at::kLong);
  for (size_t i = 0; i < prompts.size(); ++i) {
    const TokenizedText text = tokenizer.encode(prompts[i]);
    if (warn_of_cuts && !text.truncated.empty()) {
      log::warning(str("a prompt exceeds ", length, " tokens; cut off: ", quoted(text.truncated)));
    }
    std::copy(text.ids.begin(), text.ids.end(), ids[static_cast<int64_t>(i)].data_ptr<int64_t>());
  }
  return ids;
}

at::Device device_of(const CLIPTextModel& model) {
  return model.parameters().front().tensor->device();
}

}  // namespace

PromptEncoder::PromptEncoder(std::shared_ptr<const Tokenizer> tokenizer,
                             std::shared_ptr<const Tokenizer> tokenizer_2,
                             std::shared_ptr<CLIPTextModel> text_encoder,
                             std::shared_ptr<CLIPTextModel> text_encoder_2)
    : tokenizer_(std::move(tokenizer)),
      tokenizer_2_(std::move(tokenizer_2)),
      text_encoder_(std::move(text_encoder)),
      text_encoder_2_(std::move(text_encoder_2)) {
  if (tokenizer_->model_max_length() != tokenizer_2_->model_max_length()) {
    throw Error(ExitStatus::kBadData,
                str("the model_max_length of tokenizer and tokenizer_2 is ",
                    tokenizer_->model_max_length(), " and ", tokenizer_2_->model_max_length(),
                    ": set it to 77 in both tokenizer_config.json"));
  }
  for (const auto& model : {text_encoder_, text_encoder_2_}) {
    if (tokenizer_->model_max_length() <= model->config().max_position_embeddings) continue;
    throw Error(ExitStatus::kBadData,
                str("a tokenizer's model_max_length ", tokenizer_->model_max_length(),
                    " exceeds its text encoder's max_position_embeddings ",
                    model->config().max_position_embeddings));
  }
}

std::pair<at::Tensor, at::Tensor> PromptEncoder::tokenize(
    const std::vector<std::string>& prompts, const std::vector<std::string>& prompts_2) const {
  return {token_ids(*tokenizer_, prompts, warns_of_cuts_),
          token_ids(*tokenizer_2_, prompts_2, warns_of_cuts_)};
}

PromptEmbeds PromptEncoder::encode_ids(const at::Tensor& ids, const at::Tensor& ids_2,
                                       int64_t clip_skip) const {
  const int64_t hidden_index = -(clip_skip + 2);
  CLIPTextOutput first = text_encoder_->forward(ids.to(device_of(*text_encoder_)), hidden_index);
  CLIPTextOutput second =
      text_encoder_2_->forward(ids_2.to(device_of(*text_encoder_2_)), hidden_index);
  return {at::cat({first.hidden_state, second.hidden_state}, -1),  // [B, S, D1 + D2]
          second.pooled};
}

PromptEmbeds PromptEncoder::encode(const std::vector<std::string>& prompts,
                                   const std::vector<std::string>& prompts_2,
                                   int64_t clip_skip) const {
  const auto [ids, ids_2] = tokenize(prompts, prompts_2);
  return encode_ids(ids, ids_2, clip_skip);
}

}  // namespace sdxl
