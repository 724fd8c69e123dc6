// Any bytes: the header is refused with an Error, or its entries cover the file exactly.
#include <cstdlib>

#include "base/error.h"
#include "io/safetensors_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  try {
    const sdxl::SafetensorsHeader header = sdxl::parse_safetensors_header(file, size, "fuzz");
    uint64_t position = 0;
    for (const sdxl::SafetensorsEntry& entry : header.entries) {
      if (entry.begin != position || entry.end < entry.begin) std::abort();
      position = entry.end;
    }
    if (header.data_offset + position != size) std::abort();
  } catch (const sdxl::Error& error) {
    if (error.status() != sdxl::ExitStatus::kBadData) std::abort();
  }
  return 0;
}
