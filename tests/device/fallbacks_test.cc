#include "device/fallbacks.h"

#include <gtest/gtest.h>

namespace sdxl {
namespace {

TEST(Fallbacks, RecognisesTorchNpusWarning) {
  EXPECT_EQ(fallback_in("CAUTION: The operator 'aten::erfinv' is not currently supported on the "
                        "NPU backend and will fall back to run on the CPU. This may have "
                        "performance implications. (function npu_cpu_fallback)"),
            "aten::erfinv");
}

TEST(Fallbacks, IgnoresOtherWarnings) {
  EXPECT_EQ(fallback_in("The operator 'aten::add' is slow"), "");
  EXPECT_EQ(fallback_in("Device do not support double dtype now"), "");
}

}  // namespace
}  // namespace sdxl
