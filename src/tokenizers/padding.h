// The last step of every tokenizer: bos and eos, truncation and padding to the model's length.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tokenizers/settings.h"
#include "tokenizers/tokenizer.h"

namespace sdxl {

struct Frame {
  std::optional<int64_t> bos, eos;
  int64_t pad = 0;
};

/// `content` between bos and eos, cut so that both stay, and padded. `decode` turns the ids that
/// fell off into text.
TokenizedText frame(const std::vector<int64_t>& content, const Frame& frame,
                    const TokenizerSettings& settings,
                    const std::function<std::string(const std::vector<int64_t>&)>& decode);

}  // namespace sdxl
