#include "tokenizers/padding.h"

#include <algorithm>

namespace sdxl {

TokenizedText frame(const std::vector<int64_t>& content, const Frame& frame,
                    const TokenizerSettings& settings,
                    const std::function<std::string(const std::vector<int64_t>&)>& decode) {
  const auto length = static_cast<size_t>(settings.model_max_length);
  const size_t room = length - (frame.bos ? 1 : 0) - (frame.eos ? 1 : 0);
  auto first = content.begin(), last = content.end();
  TokenizedText result;
  if (content.size() > room) {
    const auto excess = static_cast<std::ptrdiff_t>(content.size() - room);
    const bool left = settings.truncate_left;
    const auto cut = left ? first + excess : last - excess;
    result.truncated =
        decode(left ? std::vector<int64_t>(first, cut) : std::vector<int64_t>(cut, last));
    result.truncated_tokens = excess;
    (left ? first : last) = cut;
  }
  result.ids.reserve(length);
  if (frame.bos) result.ids.push_back(*frame.bos);
  result.ids.insert(result.ids.end(), first, last);
  if (frame.eos) result.ids.push_back(*frame.eos);
  const auto where = settings.pad_left ? result.ids.begin() : result.ids.end();
  result.ids.insert(where, length - result.ids.size(), frame.pad);
  return result;
}

}  // namespace sdxl
