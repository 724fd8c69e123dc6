// The version of sdxl; SDXL_VERSION is defined for this file alone.
#include "base/version.h"

namespace sdxl {

const char* version() { return SDXL_VERSION; }

}  // namespace sdxl
