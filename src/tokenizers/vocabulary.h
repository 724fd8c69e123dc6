#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sdxl {

/// The tokens of a model and their ids, both ways, in an open-addressing hash table: every start of
/// the program looks up 10^5 tokens while it loads CLIP's merges.
class Vocabulary {
 public:
  /// Error(kBadData) names `source` unless tokens and ids are unique and every id lies in
  /// [0, 4 * number of tokens + 1024).
  Vocabulary(std::vector<std::pair<std::string, int64_t>> tokens, const std::string& source);
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  std::optional<int64_t> find(std::string_view token) const;
  /// The token with this id, or null.
  const std::string* token(int64_t id) const;
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }

 private:
  struct Slot {
    uint32_t hash = 0, place = 0;  ///< `place` - 1 is an index into tokens_; 0 for a free slot.
  };

  /// The slot of `token`, or the free one where it belongs.
  size_t slot_of(std::string_view token, uint32_t hash) const;

  std::vector<std::pair<std::string, int64_t>> tokens_;
  std::vector<Slot> slots_;  ///< Their number is a power of two.
  std::vector<const std::string*> by_id_;
};

}  // namespace sdxl
