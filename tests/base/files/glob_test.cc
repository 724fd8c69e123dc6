#include "base/files/glob.h"

#include <gtest/gtest.h>

#include <string>

namespace sdxl {
namespace {

bool matches_text(const char* pattern, const char* text) {
  return glob_matches(pattern, text, GlobStyle::kText);
}

bool matches_path(const char* pattern, const char* path) {
  return glob_matches(pattern, path, GlobStyle::kPath);
}

TEST(Glob, MatchesAllOfTheText) {
  EXPECT_TRUE(matches_text("a?c*", "abcde"));
  EXPECT_TRUE(matches_text("*", ""));
  EXPECT_FALSE(matches_text("ab", "abc"));
  EXPECT_FALSE(matches_text("abc", "ab"));
}

TEST(Glob, MatchesSetsRangesAndTheirOpposites) {
  EXPECT_TRUE(matches_text("[a-c]x", "bx"));
  EXPECT_FALSE(matches_text("[!a-c]x", "bx"));
  EXPECT_TRUE(matches_text("[]-]", "]"));
  EXPECT_FALSE(matches_text("[!]]", "]"));
  EXPECT_TRUE(matches_text("[^0-9]", "x"));
}

TEST(Glob, TakesABracketWithoutItsEndAsItself) {
  EXPECT_TRUE(matches_text("[ab", "[ab"));
  EXPECT_TRUE(matches_text("a[", "a["));
}

TEST(Glob, CrossesSlashesInTextOnly) {
  EXPECT_TRUE(matches_text("unet/*.json", "unet/a/b.json"));
  EXPECT_FALSE(matches_path("unet/*.json", "unet/a/b.json"));
  EXPECT_FALSE(matches_path("a?b", "a/b"));
  EXPECT_FALSE(matches_path("a[!x]b", "a/b"));
}

TEST(Glob, CrossesFoldersByTwoStars) {
  EXPECT_TRUE(matches_path("**/*.png", "c.png"));
  EXPECT_TRUE(matches_path("**/*.png", "a/b/c.png"));
  EXPECT_TRUE(matches_path("a/**", "a/b/c.png"));
  EXPECT_TRUE(matches_path("a/**/c", "a/c"));
  EXPECT_FALSE(matches_path("**/b", "ab"));
}

TEST(Glob, NeedsNoExponentialTime) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  const std::string text(1000, 'a');
  EXPECT_TRUE(glob_matches(pattern, text, GlobStyle::kText));
  EXPECT_FALSE(glob_matches(pattern + "b", text, GlobStyle::kText));
}

}  // namespace
}  // namespace sdxl
