#include "base/regular_expression.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace sdxl {
namespace {

TEST(RegularExpression, MatchesTheWholeText) {
  const RegularExpression pattern("down_blocks\\.(0|1)\\..*to_q");
  EXPECT_TRUE(pattern.matches("down_blocks.1.attn1.to_q"));
  EXPECT_FALSE(pattern.matches("down_blocks.2.attn1.to_q"));
  EXPECT_FALSE(pattern.matches("unet.down_blocks.1.attn1.to_q"));
  EXPECT_FALSE(pattern.matches("down_blocks.1.attn1.to_q.lora"));
}

TEST(RegularExpression, LooksAheadAsPythonDoes) {
  const RegularExpression pattern("^(?!.*attn2).*\\.to_(?P<which>k|v)$");
  EXPECT_TRUE(pattern.matches("mid_block.attn1.to_v"));
  EXPECT_FALSE(pattern.matches("mid_block.attn2.to_v"));
}

TEST(RegularExpression, SaysWhatIsWrongWithAPattern) {
  try {
    RegularExpression("to_(q");
    FAIL() << "no error";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "missing closing parenthesis at character 5");
  }
}

TEST(RegularExpression, GivesUpOnMatchesWithoutEnd) {
  const RegularExpression pattern("(a+)+b");
  EXPECT_THROW(pattern.matches(std::string(100, 'a') + "cb"), std::runtime_error);
}

}  // namespace
}  // namespace sdxl
