// The tokens of a model and their ids, both ways.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sdxl {

class Vocabulary {
 public:
  /// `source` names the file in errors. Ids are unique, not negative, and not far above the number
  /// of tokens, else Error(kBadData).
  Vocabulary(std::vector<std::pair<std::string, int64_t>> tokens, const std::string& source);
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  std::optional<int64_t> find(std::string_view token) const;
  /// Null for an id that no token has.
  const std::string* token(int64_t id) const;
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }

 private:
  std::vector<std::pair<std::string, int64_t>> tokens_;
  std::unordered_map<std::string_view, int64_t> ids_;  // Views of tokens_.
  std::vector<const std::string*> by_id_;
};

}  // namespace sdxl
