#include "data/data_identity.h"

#include "base/hash.h"

namespace sdxl {
namespace {

void update(Hasher& hasher, const CacheKey& key) {
  hasher.update(key.words.data(), sizeof key.words);
}

std::string hash_of_shape(const TrainingSet& set) {
  Hasher hasher;
  for (int64_t row = 0; row < set.pictures->size(); ++row) {
    const PixelSize size = (*set.pictures)[row].size();
    const int64_t sides[] = {size.height, size.width};
    hasher.update(sides, sizeof sides);
  }
  for (const CaptionInfo& caption : set.captions->captions()) {
    const int64_t row = caption.row;
    hasher.update(&row, sizeof row);
    update(hasher, caption.key);
  }
  return hasher.hex();
}

}  // namespace

DataIdentity DataIdentity::of(const TrainingSet& set) {
  DataIdentity identity{set.dataset->size(), hash_of_shape(set), ""};
  if (!set.pictures->has_content()) return identity;
  Hasher hasher;
  for (int64_t row = 0; row < set.pictures->size(); ++row) {
    update(hasher, (*set.pictures)[row].content);
  }
  identity.content = hasher.hex();
  return identity;
}

Json DataIdentity::json() const { return {{"rows", rows}, {"shape", shape}, {"content", content}}; }

DataIdentity DataIdentity::from_json(const Json& json, const std::string& source) {
  return {json_value(json, "rows", int64_t{0}, source),
          json_value<std::string>(json, "shape", "", source),
          json_value<std::string>(json, "content", "", source)};
}

bool DataIdentity::matches(const DataIdentity& other) const {
  if (!content.empty() && !other.content.empty() && content != other.content) return false;
  return rows == other.rows && shape == other.shape;
}

}  // namespace sdxl
