#include "base/environment.h"

#include <gtest/gtest.h>
#include <stdlib.h>

namespace sdxl {
namespace {

TEST(Environment, FallsBackIfUnsetOrEmpty) {
  ::unsetenv("SDXL_TEST_VARIABLE");
  EXPECT_EQ(environment("SDXL_TEST_VARIABLE"), "");
  EXPECT_EQ(environment("SDXL_TEST_VARIABLE", "x"), "x");
  ::setenv("SDXL_TEST_VARIABLE", "", 1);
  EXPECT_EQ(environment("SDXL_TEST_VARIABLE", "x"), "x");
  ::setenv("SDXL_TEST_VARIABLE", "y", 1);
  EXPECT_EQ(environment("SDXL_TEST_VARIABLE", "x"), "y");
}

TEST(Environment, FlagsAreOffIfUnsetEmptyOrZero) {
  ::unsetenv("SDXL_TEST_FLAG");
  EXPECT_FALSE(environment_flag("SDXL_TEST_FLAG"));
  for (const char* off : {"", "0"}) {
    ::setenv("SDXL_TEST_FLAG", off, 1);
    EXPECT_FALSE(environment_flag("SDXL_TEST_FLAG")) << off;
  }
  ::setenv("SDXL_TEST_FLAG", "true", 1);
  EXPECT_TRUE(environment_flag("SDXL_TEST_FLAG"));
}

}  // namespace
}  // namespace sdxl
