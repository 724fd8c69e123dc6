// SHA-256 and SHA-1 (OpenSSL), CRC-32C.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace sdxl {

enum class HashKind { kSha1, kSha256 };

class Hasher {
 public:
  explicit Hasher(HashKind kind = HashKind::kSha256);
  ~Hasher();
  Hasher& update(const void* data, size_t size);
  Hasher& update(std::string_view bytes) { return update(bytes.data(), bytes.size()); }
  std::string hex();  ///< Ends the hash; lower-case hexadecimal.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256(std::string_view bytes);
/// The same, not in hexadecimal.
std::array<unsigned char, 32> sha256_digest(std::string_view bytes);
std::string sha256_of_file(const std::filesystem::path& path);

/// CRC-32C (Castagnoli), as TFRecord files use it; unmasked.
uint32_t crc32c(std::string_view bytes);
/// The same without the processor's instruction for it.
uint32_t crc32c_by_tables(std::string_view bytes);

}  // namespace sdxl
