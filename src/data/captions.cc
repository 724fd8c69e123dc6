// Reading captions and choosing among them.
#include "data/captions.h"

#include <ATen/ATen.h>

#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "device/random.h"

namespace sdxl {

std::vector<std::string> captions_from_json(const Json& value, const std::string& column,
                                            const std::string& source) {
  if (value.is_null()) return {};
  if (value.is_string()) return {value.get<std::string>()};
  const auto is_text = [](const Json& item) { return item.is_string(); };
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), is_text))
    throw Error(ExitStatus::kBadData, str(quoted(source), ": the column ", quoted(column),
                                          " holds neither a text nor a list of texts"));
  return value.get<std::vector<std::string>>();
}

bool is_utf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    uint64_t eight;
    if (i + sizeof eight <= text.size()) {
      std::memcpy(&eight, text.data() + i, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        i += sizeof eight;
        continue;
      }
    }
    const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[k]); };
    const unsigned char first = byte(i);
    size_t length = first < 0x80                    ? 1
                    : first >= 0xC2 && first < 0xE0 ? 2
                    : (first & 0xF0) == 0xE0        ? 3
                    : first >= 0xF0 && first < 0xF5 ? 4
                                                    : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (size_t k = 1; k < length; ++k)
      if ((byte(i + k) & 0xC0) != 0x80) return false;
    // Overlong forms, surrogates and what lies past U+10FFFF.
    if (length == 3 &&
        ((first == 0xE0 && byte(i + 1) < 0xA0) || (first == 0xED && byte(i + 1) > 0x9F)))
      return false;
    if (length == 4 &&
        ((first == 0xF0 && byte(i + 1) < 0x90) || (first == 0xF4 && byte(i + 1) > 0x8F)))
      return false;
    i += length;
  }
  return true;
}

std::string caption_from_file(std::string bytes, const std::string& source) {
  std::string_view text = bytes;
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  if (!is_utf8(text))
    throw Error(ExitStatus::kBadData,
                quoted(source) + " is not UTF-8; convert it (iconv -t UTF-8)");
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
