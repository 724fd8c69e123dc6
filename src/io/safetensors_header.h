// The header of a safetensors file, checked by the format's rules and stricter where the rules
// leave room for two readings (duplicate keys). Free of LibTorch, so that the fuzzer links in
// seconds. Format: https://github.com/huggingface/safetensors (README and tensor.rs).
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
  uint64_t begin = 0, end = 0;  ///< Bytes, counted from the start of the data section.
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< In the order of their offsets.
  std::map<std::string, std::string> metadata;
  uint64_t data_offset = 0;  ///< Of the data section in the file.
};

/// `prefix` holds at least the first 8 + N bytes of a file of `file_size` bytes (the whole file may
/// be given). Throws Error(kBadData) that names `source` and what is wrong.
SafetensorsHeader parse_safetensors_header(std::string_view prefix, uint64_t file_size,
                                           const std::string& source);

}  // namespace sdxl
