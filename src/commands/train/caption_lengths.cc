#include "commands/train/caption_lengths.h"

#include <algorithm>
#include <future>

#include "commands/train/encoder_identity.h"

namespace sdxl {

CaptionLengths::CaptionLengths(const PipelineDirectory& pipeline,
                               const std::optional<fs::path>& cache_directory)
    : pipeline_(pipeline) {
  if (!cache_directory) return;
  cache_ = std::make_unique<CacheStore>(
      *cache_directory,
      Json{{"kind", "captions"},
           {"version", 1},
           {"holds", "whether captions exceed the text encoders' length"},
           {"tokenizers", EncoderIdentity(*cache_directory).tokenizers(pipeline)}});
}

bool CaptionLengths::exceeds(const std::string& caption, const CacheKey& key) {
  if (!cache_) return measure(caption);
  if (const std::optional<std::string> known = cache_->read(key)) return *known == "1";
  const bool exceeds = measure(caption);
  cache_->put(key, exceeds ? "1" : "0");
  return exceeds;
}

bool CaptionLengths::measure(const std::string& caption) {
  std::call_once(loading_, [this] {
    auto second = std::async(std::launch::async, [this] { return pipeline_.tokenizer(2); });
    tokenizer_ = pipeline_.tokenizer(1);
    tokenizer_2_ = second.get();
  });
  // A token has at least one byte, and the tokenizer adds a few itself.
  constexpr int64_t kAdded = 5;
  const int64_t most =
      std::min(tokenizer_->model_max_length(), tokenizer_2_->model_max_length()) - kAdded;
  const bool plain = std::all_of(caption.begin(), caption.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (plain && std::ssize(caption) <= most) return false;
  return tokenizer_->encode(caption).truncated_tokens > 0 ||
         tokenizer_2_->encode(caption).truncated_tokens > 0;
}

}  // namespace sdxl
