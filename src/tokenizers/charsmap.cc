#include "tokenizers/charsmap.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr size_t kBytesOfSize = 4;
constexpr size_t kLongestRule = 64;   ///< Bytes; NFKC's longest is 12.
constexpr int kMostNestedRules = 32;  ///< The library has room for as many that begin a text.

/// A unit of the double array, as darts.h lays it out.
uint32_t label_of(uint32_t unit) { return unit & (0x80000000u | 0xFF); }
bool has_value(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFF; }
size_t offset_of(uint32_t unit) { return size_t{unit >> 10} << ((unit & (1u << 9)) >> 6); }

uint32_t little_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// Walks every path of a double array, all paths one byte further at a time.
class ArrayWalk {
 public:
  ArrayWalk(std::vector<uint32_t> units, size_t size_of_texts)
      : units_(std::move(units)), size_of_texts_(size_of_texts) {}

  bool is_sound() {
    /// Where the children of a node lie, and how many rules end on the way to it.
    std::map<size_t, int> nodes = {{offset_of(units_[0]), 0}};
    for (size_t depth = 0; !nodes.empty(); ++depth) {
      // Each node has a unit: more visits than units mean paths that meet again and again.
      visits_ += nodes.size();
      if (depth > kLongestRule || visits_ > units_.size()) return false;
      std::map<size_t, int> next;
      for (const auto& [children, rules] : nodes) {
        if (!visit(children, rules, &next)) return false;
      }
      nodes = std::move(next);
    }
    return true;
  }

 private:
  bool visit(size_t children, int rules, std::map<size_t, int>* next) const {
    if ((children | 0xFF) >= units_.size()) return false;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t unit = units_[children ^ byte];
      if (label_of(unit) != byte) continue;
      const size_t grandchildren = children ^ byte ^ offset_of(unit);
      if (grandchildren >= units_.size()) return false;
      const int found = rules + (has_value(unit) ? 1 : 0);
      if (found > kMostNestedRules) return false;
      if (has_value(unit) && value_of(units_[grandchildren]) >= size_of_texts_) return false;
      int& most = (*next)[grandchildren];
      most = std::max(most, found);
    }
    return true;
  }

  std::vector<uint32_t> units_;
  size_t size_of_texts_;
  size_t visits_ = 0;
};

bool is_sound(std::string_view charsmap) {
  if (charsmap.size() < kBytesOfSize) return false;
  const size_t size = little_endian(charsmap);
  charsmap.remove_prefix(kBytesOfSize);
  if (size < 4 || size % 4 != 0 || size >= charsmap.size() || charsmap.back() != '\0') return false;
  std::vector<uint32_t> units;
  units.reserve(size / 4);
  for (size_t at = 0; at < size; at += 4) units.push_back(little_endian(charsmap.substr(at, 4)));
  return ArrayWalk(std::move(units), charsmap.size() - size).is_sound();
}

}  // namespace

void require_sound_charsmap(std::string_view charsmap, const std::string& source) {
  if (charsmap.empty() || is_sound(charsmap)) return;
  throw bad_data(source,
                 "its precompiled_charsmap is damaged; "
                 "get the file again from where it came from");
}

}  // namespace sdxl
