// Captions as data sets hold them: one text, or several of which each draw takes one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace sdxl {

/// The texts of `value`, which is a text, a list of texts, or null (no caption). Error(kBadData)
/// names `source` and `column` for anything else.
std::vector<std::string> captions_from_json(const Json& value, const std::string& column,
                                            const std::string& source);

/// The content of a caption file without a byte order mark and surrounding white space.
/// Error(kBadData) names `source` unless it is UTF-8.
std::string caption_from_file(std::string bytes, const std::string& source);

struct CaptionChoice {
  bool dropped = false;  ///< By --proportion_empty_prompts, to train the absent prompt.
  int64_t choice = 0;    ///< Which of the captions, unless dropped.
};

/// Draws with index `draw` of the random stream kCaption. Drops the caption with probability
/// `proportion_empty_prompts`; otherwise picks one of `count` uniformly.
CaptionChoice choose_caption(int64_t count, double proportion_empty_prompts, uint64_t seed,
                             uint64_t draw);

}  // namespace sdxl
