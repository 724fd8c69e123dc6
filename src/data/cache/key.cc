#include "data/cache/key.h"

#include "base/hash.h"
#include "base/random.h"

namespace sdxl {

CacheKey CacheKey::of(std::string_view bytes) {
  const std::array<unsigned char, 32> digest = sha256_digest(bytes);
  CacheKey key;
  for (size_t i = 0; i < digest.size(); ++i) key.words[i / 8] = key.words[i / 8] << 8 | digest[i];
  return key;
}

CacheKey CacheKey::with(std::initializer_list<uint64_t> numbers) const {
  CacheKey key = *this;
  for (uint64_t i = 0; i < 4; ++i) {
    for (const uint64_t number : numbers) {
      key.words[i] = stream_seed(key.words[i] ^ number, Stream::kShuffle, i);
    }
  }
  return key;
}

}  // namespace sdxl
