// UTF-8 and the Unicode operations of the normaliser.
#include "tokenizers/unicode.h"

#include <gtest/gtest.h>

#include "tokenizer_directory.h"

namespace sdxl {
namespace {

TEST(ValidUtf8, ReplacesWhatPythonReplaces) {
  for (const Json& expected : read_json(test::kTokenizerData / "utf8.json")) {
    const auto hex = expected[0].get<std::string>();
    std::string bytes;
    for (size_t i = 0; i < hex.size(); i += 2) {
      bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
    EXPECT_EQ(valid_utf8(bytes), expected[1].get<std::string>()) << hex;
  }
}

TEST(ValidUtf8, KeepsEveryCodePoint) {
  std::string text;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    text.clear();
    append_utf8(c, &text);
    ASSERT_EQ(code_point_at(text, 0).value, c);
    ASSERT_EQ(code_point_at(text, 0).length, text.size());
    ASSERT_EQ(valid_utf8(text), text);
  }
}

TEST(Nfc, ComposesAndReorders) {
  EXPECT_EQ(nfc("e\u0301"), "\u00E9");
  EXPECT_EQ(nfc("a\u0301\u0316"), "\u00E1\u0316");
  EXPECT_EQ(nfc("\u1112\u1161\u11AB"), "\uD55C");
}

TEST(Nfc, LeavesCharactersNewerThanTheLibrarysTablesInPlace) {
  EXPECT_EQ(nfc("\uA000\u0301\u1DFA"), "\uA000\u0301\u1DFA");  // 218 would move before 230.
  EXPECT_EQ(nfc("\U00011935\U00011930"), "\U00011935\U00011930");
}

TEST(LowerCase, FollowsTheLibrary) {
  EXPECT_EQ(lower_case("A\u00C9\u0130\u1E9E\u03A3"), "a\u00E9i\u0307\u00DF\u03C3");
  EXPECT_EQ(lower_case("\U00010D50\uA7DC"), "\U00010D70\u019B");
}

TEST(WhiteSpace, CollapsesAndStrips) {
  EXPECT_EQ(collapse_white_space(" a\u3000\n b\u200B"), " a b\u200B");
  EXPECT_EQ(python_strip("\x1C \u00A0 a b\u200B\u0085"), "a b\u200B");
  EXPECT_EQ(python_strip(" \t "), "");
}

}  // namespace
}  // namespace sdxl
