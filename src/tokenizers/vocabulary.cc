// The tokens of a model and their ids, both ways.
#include "tokenizers/vocabulary.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

Vocabulary::Vocabulary(std::vector<std::pair<std::string, int64_t>> tokens,
                       const std::string& source)
    : tokens_(std::move(tokens)) {
  // Room for ids that a trainer left out, none for a table of a size that only the file decides.
  const int64_t limit = 4 * size() + 1024;
  int64_t largest = -1;
  for (const auto& [token, id] : tokens_) {
    if (id < 0 || id >= limit) {
      throw Error(ExitStatus::kBadData, str(source, ": token ", quoted(token), " has the id ", id,
                                            ", but there are only ", size(), " tokens"));
    }
    largest = std::max(largest, id);
  }
  by_id_.resize(static_cast<size_t>(largest + 1));
  ids_.reserve(tokens_.size());
  for (const auto& [token, id] : tokens_) {
    if (!ids_.emplace(token, id).second) {
      throw Error(ExitStatus::kBadData, str(source, ": token ", quoted(token), " is there twice"));
    }
    const std::string*& place = by_id_[static_cast<size_t>(id)];
    if (place != nullptr) {
      throw Error(ExitStatus::kBadData, str(source, ": tokens ", quoted(*place), " and ",
                                            quoted(token), " have the same id ", id));
    }
    place = &token;
  }
}

std::optional<int64_t> Vocabulary::find(std::string_view token) const {
  auto found = ids_.find(token);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

const std::string* Vocabulary::token(int64_t id) const {
  if (id < 0 || id >= static_cast<int64_t>(by_id_.size())) return nullptr;
  return by_id_[static_cast<size_t>(id)];
}

}  // namespace sdxl
