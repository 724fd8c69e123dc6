// The version in CMake's project().
#pragma once

namespace sdxl {

const char* version();

}  // namespace sdxl
