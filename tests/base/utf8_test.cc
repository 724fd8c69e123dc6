#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace sdxl {
namespace {

TEST(Utf8, AcceptsCharactersOfOneToFourBytes) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\xB1"));
  EXPECT_TRUE(is_utf8("twenty-three of ASCII, \xC3\xA9"));
  EXPECT_EQ(utf8_length("\xE2\x82\xAC!"), 3u);
  EXPECT_EQ(utf8_length(""), 0u);
}

TEST(Utf8, RefusesOverlongFormsSurrogatesAndCutCharacters) {
  for (const char* bad : {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                          "\xF4\x90\x80\x80", "\x80", "\xE2\x82", "\xFF"}) {
    EXPECT_FALSE(is_utf8(bad));
    EXPECT_EQ(utf8_length(bad), 0u);
    EXPECT_FALSE(is_utf8(std::string("eight of ASCII before it: ") + bad));
  }
}

TEST(Utf8, SkipsAByteOrderMarkAtTheStartAlone) {
  EXPECT_EQ(without_byte_order_mark("\xEF\xBB\xBFtext"), "text");
  EXPECT_EQ(without_byte_order_mark("text\xEF\xBB\xBF"), "text\xEF\xBB\xBF");
  EXPECT_EQ(without_byte_order_mark("\xEF\xBB"), "\xEF\xBB");
}

}  // namespace
}  // namespace sdxl
