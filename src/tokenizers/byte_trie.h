// Patterns as a trie over their bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sdxl {

class ByteTrie {
 public:
  /// `pattern` is not empty, `id` not negative. False, and nothing is added, if it is there
  /// already.
  bool add(std::string_view pattern, int64_t id) {
    uint32_t node = 0;
    begins_[static_cast<unsigned char>(pattern.front())] = true;
    for (char c : pattern) {
      const auto next = static_cast<uint32_t>(ids_.size());
      const auto [edge, is_new] = edges_.emplace(edge_of(node, c), next);
      if (is_new) ids_.push_back(-1);
      node = edge->second;
    }
    if (ids_[node] >= 0) return false;
    ids_[node] = id;
    return true;
  }

  /// Calls `found(id, length)` for each pattern that `text` begins with, the shortest first.
  template <typename Function>
  void for_each_prefix(std::string_view text, const Function& found) const {
    if (text.empty() || !begins_[static_cast<unsigned char>(text.front())]) return;
    uint32_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      auto edge = edges_.find(edge_of(node, text[i]));
      if (edge == edges_.end()) return;
      node = edge->second;
      if (ids_[node] >= 0) found(ids_[node], i + 1);
    }
  }

 private:
  static uint64_t edge_of(uint32_t node, char c) {
    return uint64_t{node} << 8 | static_cast<unsigned char>(c);
  }

  std::unordered_map<uint64_t, uint32_t> edges_;  // (node, byte) -> node; node 0 is the root.
  std::vector<int64_t> ids_ = {-1};               // The pattern that ends at a node, -1 for none.
  std::array<bool, 256> begins_ = {};             // Whether a pattern begins with a byte.
};

}  // namespace sdxl
