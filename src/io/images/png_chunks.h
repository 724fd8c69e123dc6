// The chunks of a PNG (ISO/IEC 15948, section 5) and the texts in them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sdxl::formats {

inline constexpr std::string_view kPngSignature("\x89PNG\r\n\x1a\n", 8);

struct PngChunk {
  std::string_view type;  ///< Four letters.
  std::string_view data;
  bool whole = false;   ///< The file contains all of it.
  bool intact = false;  ///< It is whole and its checksum is right.
};

/// The chunks up to IEND or the end of the file, the last of which may be cut short. `bytes` begins
/// with the signature. Throws BadImage if there are more than a million.
std::vector<PngChunk> png_chunks(std::string_view bytes);

/// Appends a chunk with its length and checksum.
void append_chunk(std::string& png, std::string_view type, std::string_view data);

/// The key of a tEXt, zTXt or iTXt chunk, in Latin-1; empty for other and damaged chunks.
std::string_view chunk_key(const PngChunk& chunk);

/// The key and text of such a chunk, in UTF-8. The text is empty if damaged or larger than 1 MiB.
std::pair<std::string, std::string> chunk_text(const PngChunk& chunk);

/// Appends a tEXt chunk if Latin-1 has all characters of `text`, else an iTXt chunk. Zero bytes and
/// invalid UTF-8 become U+FFFD.
void append_text(std::string& png, const std::string& key, const std::string& text);

}  // namespace sdxl::formats
