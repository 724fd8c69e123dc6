// Keys of cached values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace sdxl {

/// 256 bits that stand for everything a cached value depends on.
struct CacheKey {
  std::array<uint64_t, 4> words{};
  auto operator<=>(const CacheKey&) const = default;

  /// The SHA-256 of `bytes`.
  static CacheKey of(std::string_view bytes);
  /// The key of a value that depends on what this key stands for and on `numbers`.
  CacheKey with(std::initializer_list<uint64_t> numbers) const;
};

}  // namespace sdxl
