#include "io/images/png_chunks.h"

#include <zlib.h>

#include <algorithm>

#include "base/utf8.h"
#include "io/byte_reader.h"

namespace sdxl::formats {
namespace {

constexpr size_t kMaxText = size_t{1} << 20;
constexpr size_t kMaxChunks = 1'000'000;

uint32_t checksum(std::string_view type, std::string_view data) {
  uLong crc = crc32(0, reinterpret_cast<const Bytef*>(type.data()), type.size());
  return static_cast<uint32_t>(
      crc32_z(crc, reinterpret_cast<const Bytef*>(data.data()), data.size()));
}

void append_u32(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xc0 | code >> 6));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else {
    out.push_back(static_cast<char>(0xe0 | code >> 12));
    out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  }
}

std::string utf8_from_latin1(std::string_view latin1) {
  std::string text;
  for (unsigned char c : latin1) append_utf8(text, c);
  return text;
}

/// Replaces zero bytes and invalid UTF-8 by U+FFFD.
std::string clean_utf8(std::string_view text) {
  std::string clean;
  for (size_t at = 0; at < text.size();) {
    const size_t length = text[at] == '\0' ? 0 : utf8_length(text.substr(at));
    if (length == 0) {
      append_utf8(clean, 0xfffd);
    } else {
      clean += text.substr(at, length);
    }
    at += std::max<size_t>(1, length);
  }
  return clean;
}

/// Converts valid UTF-8 to Latin-1; false if it has other characters.
bool latin1_from_utf8(const std::string& text, std::string& latin1) {
  for (size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c < 0x80) {
      latin1.push_back(text[at]);
    } else if (c == 0xc2 || c == 0xc3) {
      ++at;
      latin1.push_back(static_cast<char>((c & 3) << 6 | (text[at] & 0x3f)));
    } else {
      return false;
    }
  }
  return true;
}

/// Inflates a zlib stream; "" if it is damaged or inflates to more than kMaxText bytes.
std::string inflated(std::string_view packed) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return "";
  std::string out(std::min(kMaxText, packed.size() * 8 + 1024), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  int status = Z_OK;
  while (status == Z_OK && stream.total_out < kMaxText) {
    if (stream.total_out == out.size()) out.resize(std::min(kMaxText, out.size() * 2));
    stream.next_out = reinterpret_cast<Bytef*>(&out[stream.total_out]);
    stream.avail_out = static_cast<uInt>(out.size() - stream.total_out);
    status = inflate(&stream, Z_NO_FLUSH);
  }
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return status == Z_STREAM_END ? out : "";
}

/// Parses an iTXt chunk after its key: two flags, language, key in that language, text.
std::string international_text(std::string_view rest) {
  if (rest.size() < 2) return "";
  const bool packed = rest[0] != 0;
  if (packed && rest[1] != 0) return "";
  rest.remove_prefix(2);
  for (int field = 0; field < 2; ++field) {
    const size_t end = rest.find('\0');
    if (end == rest.npos) return "";
    rest.remove_prefix(end + 1);
  }
  return clean_utf8(packed ? inflated(rest) : std::string(rest));
}

}  // namespace

std::vector<PngChunk> png_chunks(std::string_view bytes) {
  const ByteReader file(bytes, true);
  std::vector<PngChunk> chunks;
  for (size_t at = kPngSignature.size(); at + 8 <= bytes.size();) {
    const size_t size = file.u32(at);
    PngChunk chunk{bytes.substr(at + 4, 4), bytes.substr(at + 8, size)};
    at += 8 + size;
    chunk.whole = at + 4 <= bytes.size();
    chunk.intact = chunk.whole && file.u32(at) == checksum(chunk.type, chunk.data);
    at += 4;
    if (chunk.type == "IEND") break;
    if (chunks.size() == kMaxChunks) throw BadImage{"it has more than a million chunks"};
    chunks.push_back(chunk);
  }
  return chunks;
}

void append_chunk(std::string& png, std::string_view type, std::string_view data) {
  append_u32(png, static_cast<uint32_t>(data.size()));
  png += type;
  png += data;
  append_u32(png, checksum(type, data));
}

std::string_view chunk_key(const PngChunk& chunk) {
  if (chunk.type != "tEXt" && chunk.type != "zTXt" && chunk.type != "iTXt") return {};
  const size_t end = chunk.data.substr(0, 80).find('\0');
  return chunk.intact && end != chunk.data.npos ? chunk.data.substr(0, end) : std::string_view();
}

std::pair<std::string, std::string> chunk_text(const PngChunk& chunk) {
  const std::string_view raw_key = chunk_key(chunk);
  if (raw_key.empty()) return {};
  std::string key = utf8_from_latin1(raw_key);
  const std::string_view rest = chunk.data.substr(raw_key.size() + 1);
  if (chunk.type == "tEXt" && rest.size() <= kMaxText) return {key, utf8_from_latin1(rest)};
  if (chunk.type == "zTXt" && !rest.empty() && rest[0] == 0) {
    return {key, utf8_from_latin1(inflated(rest.substr(1)))};
  }
  if (chunk.type == "iTXt" && rest.size() <= kMaxText) return {key, international_text(rest)};
  return {};
}

void append_text(std::string& png, const std::string& key, const std::string& text) {
  const std::string clean = clean_utf8(text);
  std::string latin1;
  if (latin1_from_utf8(clean, latin1)) {
    append_chunk(png, "tEXt", key + '\0' + latin1);
  } else {
    append_chunk(png, "iTXt", key + std::string(5, '\0') + clean);
  }
}

}  // namespace sdxl::formats
