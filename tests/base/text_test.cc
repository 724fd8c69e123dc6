#include "base/text.h"

#include <gtest/gtest.h>

namespace sdxl {
namespace {

TEST(Text, EscapesControlCharactersAndBadUtf8) {
  EXPECT_EQ(escaped("a\x1b[31mb\n\t\x7f"), "a\\x1B[31mb\\x0A\\x09\\x7F");
  EXPECT_EQ(escaped("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x89"), "café € 🐉");
  EXPECT_EQ(escaped("\xc2\x9b"), "\\xC2\\x9B");  // C1
  EXPECT_EQ(escaped("\xff\xc3"), "\\xFF\\xC3");  // never valid, cut short
  EXPECT_EQ(escaped("\xc0\xaf\xed\xa0\x80"), "\\xC0\\xAF\\xED\\xA0\\x80");  // overlong, surrogate
  EXPECT_EQ(escaped(std::string_view("\0x", 2)), "\\x00x");
}

TEST(Text, QuotesAllStringTypesTheSame) {
  std::string changeable = "a\nb";
  const std::string constant = changeable;
  EXPECT_EQ(quoted(changeable), "'a\\x0Ab'");
  EXPECT_EQ(quoted(constant), "'a\\x0Ab'");
  EXPECT_EQ(quoted(std::string("a\nb")), "'a\\x0Ab'");
  EXPECT_EQ(str(quoted("a\nb")), "'a\\x0Ab'");
}

TEST(Text, CutsLongQuotesBetweenCharacters) {
  EXPECT_EQ(quoted("aéé", 4), "'aé…'");
  EXPECT_EQ(quoted("aéé", 5), "'aéé'");
}

TEST(Text, SuggestsTheNearestName) {
  const std::vector<std::string> names = {"train_batch_size", "rank", "seed", "resolution"};
  EXPECT_EQ(nearest("train_batchsize", names), "train_batch_size");
  EXPECT_EQ(nearest("resoluiton", names), "resolution");
  EXPECT_EQ(nearest("batch_size", names), "train_batch_size");  // contained
  EXPECT_EQ(nearest("sede", names), "seed");
  EXPECT_EQ(nearest("x", names), "");
  EXPECT_EQ(nearest("completely_else", names), "");
}

TEST(Text, SplitsAndJoins) {
  EXPECT_EQ(split("a,,b", ','), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(split("", ','), std::vector<std::string>{""});
  EXPECT_EQ(join({"a", "b"}, ", "), "a, b");
  EXPECT_EQ(trimmed(" \t a b\r\n"), "a b");
  EXPECT_EQ(trimmed(" \n"), "");
}

TEST(Text, WritesSizesAndDurations) {
  EXPECT_EQ(counted(1, "picture"), "1 picture");
  EXPECT_EQ(counted(0, "picture"), "0 pictures");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text((uint64_t{1} << 20) - 1), "1.0 MiB");
  EXPECT_EQ(bytes_text(~uint64_t{0}), "16.0 EiB");
  EXPECT_EQ(duration_text(3725), "1:02:05");
  EXPECT_EQ(duration_text(65), "1:05");
  EXPECT_EQ(duration_text(1.0 / 0.0), "?");
}

}  // namespace
}  // namespace sdxl
