#include "data/captions.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/text.h"
#include "base/utf8.h"
#include "device/random.h"

namespace sdxl {

std::vector<std::string> captions_from_json(const Json& value, const std::string& column,
                                            const std::string& source) {
  if (value.is_null()) return {};
  if (value.is_string()) return {value.get<std::string>()};
  const auto is_text = [](const Json& item) { return item.is_string(); };
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), is_text)) {
    throw Error(ExitStatus::kBadData, str(quoted(source), ": the column ", quoted(column),
                                          " holds neither a text nor a list of texts"));
  }
  return value.get<std::vector<std::string>>();
}

std::string caption_from_file(std::string bytes, const std::string& source) {
  std::string_view text = without_byte_order_mark(bytes);
  if (!is_utf8(text)) {
    throw Error(ExitStatus::kBadData,
                quoted(source) + " is not UTF-8; convert it (iconv -t UTF-8)");
  }
  return std::string(trimmed(text));
}

CaptionChoice choose_caption(int64_t count, double proportion_empty_prompts, uint64_t seed,
                             uint64_t draw) {
  at::Generator generator = stream_generator(seed, Stream::kCaption, draw);
  const float drawn = at::rand({1}, generator, at::kFloat).item<float>();
  if (drawn < proportion_empty_prompts) return {true, 0};
  if (count <= 1) return {false, 0};
  return {false, at::randint(0, count, {1}, generator, at::kLong).item<int64_t>()};
}

}  // namespace sdxl
