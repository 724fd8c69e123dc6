// CRC-32C against the examples of RFC 3720, appendix B.4.
#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace sdxl {
namespace {

TEST(Crc32c, MatchesRfc3720) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
}

}  // namespace
}  // namespace sdxl
