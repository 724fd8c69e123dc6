#pragma once

#include <string>
#include <string_view>

namespace sdxl {

/// Checks `charsmap`, the precompiled_charsmap of a SentencePiece model: a size of 4 bytes, a
/// Darts-clone double array of that size, and the texts that stand for what the array finds, each
/// with a zero byte behind it. libsentencepiece follows the array without looking at its bounds
/// (before version 0.2.1), so an array that leads out of itself must not reach it.
///
/// Error(kBadData) names `source`. An empty charsmap passes.
void require_sound_charsmap(std::string_view charsmap, const std::string& source);

}  // namespace sdxl
