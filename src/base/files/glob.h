// Shell patterns: `*`, `?`, `[set]` and `[!set]`.
#pragma once

#include <string_view>

namespace sdxl {

enum class GlobStyle {
  kText,  ///< As Python's fnmatch: `*`, `?` and sets match '/' too.
  kPath,  ///< As fsspec's glob: only `**` matches '/'; `**/` also matches no folder at all.
};

/// Whether `pattern` matches all of `text`, compared byte by byte. A `[` without its `]` stands for
/// itself; backslashes don't escape. Takes time proportional to the product of both lengths.
bool glob_matches(std::string_view pattern, std::string_view text, GlobStyle style);

}  // namespace sdxl
