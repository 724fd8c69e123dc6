// The header of a safetensors file. Checks the format's rules, and refuses duplicate keys, which
// the rules leave ambiguous. Free of LibTorch, so that the fuzzer links in seconds. Source of the
// format: https://github.com/huggingface/safetensors (README and tensor.rs).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sdxl {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;  ///< As in the file: "F32", "BF16", …
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  ///< In bytes from the start of the data section.
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< Sorted by offset.
  std::map<std::string, std::string> metadata;
  uint64_t data_offset = 0;  ///< Where the data section starts in the file.
};

/// Parses the header of a file of `file_size` bytes. `prefix` contains at least its first 8 + N
/// bytes, where N is the header's length. Error(kBadData) names `source`.
SafetensorsHeader parse_safetensors_header(std::string_view prefix, uint64_t file_size,
                                           const std::string& source);

}  // namespace sdxl
