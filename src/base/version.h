// The version of sdxl, as CMake's project() says.
#pragma once

namespace sdxl {

const char* version();

}  // namespace sdxl
