#include "base/version.h"

namespace sdxl {

const char* version() { return SDXL_VERSION; }

}  // namespace sdxl
