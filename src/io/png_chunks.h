// The chunks of a PNG (ISO/IEC 15948, section 5), and text in them.
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
  bool whole = false;   ///< The file has all of it.
  bool intact = false;  ///< Whole, and its checksum is right.
};

/// The chunks up to IEND or the end of the file; the last may be cut short. `bytes` begins with the
/// signature. Throws BadImage past a million chunks.
std::vector<PngChunk> png_chunks(std::string_view bytes);

/// Appends a chunk with its length and checksum.
void append_chunk(std::string& png, std::string_view type, std::string_view data);

/// The key of a tEXt, zTXt or iTXt chunk, in Latin-1; empty if it is another chunk or damaged.
std::string_view chunk_key(const PngChunk& chunk);

/// Key and text, in UTF-8, of such a chunk; a text that is damaged or larger than 1 MiB is empty.
std::pair<std::string, std::string> chunk_text(const PngChunk& chunk);

/// A tEXt chunk where Latin-1 has all characters of `text`, else an iTXt chunk. What neither may
/// hold (zero bytes, invalid UTF-8) becomes U+FFFD.
void append_text(std::string& png, const std::string& key, const std::string& text);

}  // namespace sdxl::formats
