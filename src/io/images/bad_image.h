// The exception of the image decoders.
#pragma once

#include <string>

namespace sdxl::formats {

/// Why an image cannot be read. decode.cc turns it into an Error that names the source.
struct BadImage {
  std::string what;
};

}  // namespace sdxl::formats
