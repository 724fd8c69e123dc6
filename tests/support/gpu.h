// A GPU for tests that need one.
#pragma once

#include <string>

#include "base/error.h"
#include "device/device.h"

namespace sdxl::test {

/// Selects the GPU and returns "", or else why it cannot be used.
inline std::string select_gpu(at::Device* device) {
  try {
    *device = select_device("cuda");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace sdxl::test
