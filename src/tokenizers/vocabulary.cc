#include "tokenizers/vocabulary.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

uint32_t hash_of(std::string_view text) {
  const uint64_t hash = std::hash<std::string_view>{}(text);
  return static_cast<uint32_t>(hash ^ (hash >> 32));
}

}  // namespace

Vocabulary::Vocabulary(std::vector<std::pair<std::string, int64_t>> tokens,
                       const std::string& source)
    : tokens_(std::move(tokens)) {
  // Leaves room for ids that a trainer skipped, but keeps a file from choosing by_id_'s size.
  const int64_t limit = 4 * size() + 1024;
  int64_t largest = -1;
  for (const auto& [token, id] : tokens_) {
    if (id < 0 || id >= limit) {
      throw bad_data(source, "token ", quoted(token), " has the id ", id, ", but there are only ",
                     size(), " tokens");
    }
    largest = std::max(largest, id);
  }
  by_id_.resize(static_cast<size_t>(largest + 1));
  slots_.resize(std::bit_ceil(2 * tokens_.size() + 2));
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const auto& [token, id] = tokens_[i];
    const uint32_t hash = hash_of(token);
    Slot& slot = slots_[slot_of(token, hash)];
    if (slot.place != 0) {
      throw bad_data(source, "token ", quoted(token), " is there twice");
    }
    slot = {hash, static_cast<uint32_t>(i + 1)};
    const std::string*& place = by_id_[static_cast<size_t>(id)];
    if (place != nullptr) {
      throw bad_data(source, "tokens ", quoted(*place), " and ", quoted(token),
                     " have the same id ", id);
    }
    place = &token;
  }
}

size_t Vocabulary::slot_of(std::string_view token, uint32_t hash) const {
  size_t slot = hash & (slots_.size() - 1);
  while (slots_[slot].place != 0 &&
         (slots_[slot].hash != hash || tokens_[slots_[slot].place - 1].first != token)) {
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slot;
}

std::optional<int64_t> Vocabulary::find(std::string_view token) const {
  const uint32_t place = slots_[slot_of(token, hash_of(token))].place;
  if (place == 0) return std::nullopt;
  return tokens_[place - 1].second;
}

const std::string* Vocabulary::token(int64_t id) const {
  if (id < 0 || id >= static_cast<int64_t>(by_id_.size())) return nullptr;
  return by_id_[static_cast<size_t>(id)];
}

}  // namespace sdxl
