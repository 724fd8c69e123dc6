#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tokenizers/settings.h"
#include "tokenizers/tokenizer.h"

namespace sdxl {

/// The ids that a tokenizer puts around a text's.
struct Frame {
  std::optional<int64_t> bos, eos;
  int64_t pad = 0;
};

/// Puts `content` between bos and eos, truncates it to settings.model_max_length so that both stay,
/// and pads it to that length. `decode` turns the ids that were cut off into text.
TokenizedText frame(const std::vector<int64_t>& content, const Frame& frame,
                    const TokenizerSettings& settings,
                    const std::function<std::string(const std::vector<int64_t>&)>& decode);

}  // namespace sdxl
