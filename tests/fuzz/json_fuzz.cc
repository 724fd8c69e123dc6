// Any bytes: JSON that reads the same after being written, or an Error.
#include <cstdlib>

#include "base/error.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const sdxl::Json json = sdxl::parse_json(text, "fuzz");
    if (sdxl::parse_json(json.dump(), "again") != json) std::abort();
  } catch (const sdxl::Error& error) {
    if (error.status() != sdxl::ExitStatus::kBadData) std::abort();
  }
  return 0;
}
