// A SentencePiece model's normalisation.
#include "tokenizers/character_map.h"

#include "base/error.h"
#include "base/text.h"
#include "tokenizers/unicode.h"

namespace sdxl {
namespace {

constexpr size_t kLongestWholeGrapheme = 5;

// A unit of Darts-clone's double array.
uint32_t label_of(uint32_t unit) { return unit & (0x80000000u | 0xFF); }
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }

uint32_t little_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

CharacterMap::CharacterMap(std::string_view blob, const std::string& source) {
  if (blob.empty()) return;
  const auto refuse = [&](const char* what) {
    throw Error(ExitStatus::kBadData, str(source, ": its precompiled_charsmap ", what));
  };
  if (blob.size() < 4) refuse("is cut short");
  const uint32_t size = little_endian(blob);
  if (size > blob.size() - 4 || size % 4 != 0) refuse("says that it is longer than it is");
  for (size_t at = 4; at < 4 + size_t{size}; at += 4) {
    units_.push_back(little_endian(blob.substr(at, 4)));
  }
  texts_ = blob.substr(4 + size_t{size});
  if (valid_utf8(texts_) != texts_) refuse("holds texts that are not valid UTF-8");
}

bool CharacterMap::find(std::string_view part, std::string_view* replacement) const {
  if (units_.empty()) return false;
  size_t node = offset_of(units_[0]);
  for (char c : part) {
    const auto byte = static_cast<unsigned char>(c);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || label_of(units_[node]) != byte) return false;
    const uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (node >= units_.size() || value_of(units_[node]) > texts_.size()) return false;
    const size_t begin = value_of(units_[node]);
    *replacement = std::string_view(texts_).substr(begin);
    *replacement = replacement->substr(0, replacement->find('\0'));
    return true;
  }
  return false;
}

std::string CharacterMap::apply(std::string_view text) const {
  if (units_.empty()) return std::string(text);
  std::string result;
  result.reserve(text.size());
  std::string_view replacement;
  for (size_t at = 0; at < text.size();) {
    const size_t end = grapheme_end(text, at);
    if (end - at <= kLongestWholeGrapheme && find(text.substr(at, end - at), &replacement)) {
      result.append(replacement);
      at = end;
    }
    while (at < end) {
      const std::string_view part = text.substr(at, code_point_at(text, at).length);
      result.append(find(part, &replacement) ? replacement : part);
      at += part.size();
    }
  }
  return result;
}

}  // namespace sdxl
