// Captions as data sets hold them: one text, or a list of texts of which each draw takes one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace sdxl {

/// A text, a list of texts, or null (none). Error(kBadData) naming `source` and `column` otherwise.
std::vector<std::string> captions_from_json(const Json& value, const std::string& column,
                                            const std::string& source);

/// The content of a caption file: surrounding white space and a byte-order mark fall away.
/// Error(kBadData) naming `source` unless it is UTF-8.
std::string caption_from_file(std::string bytes, const std::string& source);

struct CaptionChoice {
  bool dropped = false;  ///< By proportion_empty_prompts: stands for an absent prompt.
  int64_t choice = 0;    ///< Which of the captions, when not dropped.
};

/// Draw `draw` of the random stream `caption`: first rand(1) < proportion_empty_prompts empties,
/// then randint picks one of `count` where there are several.
CaptionChoice choose_caption(int64_t count, double proportion_empty_prompts, uint64_t seed,
                             uint64_t draw);

}  // namespace sdxl
