// A SentencePiece model's normalisation, as the Precompiled normaliser of the tokenizers library
// 0.23 applies it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sdxl {

class CharacterMap {
 public:
  /// No map: text stays as it is.
  CharacterMap() = default;
  /// `blob` is normalizer_spec.precompiled_charsmap: a double-array trie from sequences of bytes to
  /// offsets into the texts that stand for them. Error(kBadData) names `source`. An empty blob is
  /// no map.
  CharacterMap(std::string_view blob, const std::string& source);

  /// Graphemes of up to five bytes are looked up whole, and stand for what the shortest sequence
  /// that begins them stands for; longer ones code point by code point. (So a capital with an
  /// accent loses the accent where the map knows the capital alone. It is what models in use were
  /// trained with.)
  std::string apply(std::string_view text) const;

 private:
  // What `part` stands for; false if nothing does.
  bool find(std::string_view part, std::string_view* replacement) const;

  std::vector<uint32_t> units_;
  std::string texts_;  // Each ends with a zero byte.
};

}  // namespace sdxl
