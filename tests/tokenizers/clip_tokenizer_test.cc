// ClipTokenizer against transformers (tools/reference/tokens.py).
#include "tokenizers/clip_tokenizer.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/hash.h"
#include "support/expect_error.h"
#include "tokenizer_directory.h"
#include "tokenizers/unicode.h"

namespace sdxl {
namespace {

using test::kTokenizerData;
using test::TokenizerDirectory;

TEST(ClipTokenizer, EqualsTransformersOnMixedTextUnderEveryConfiguration) {
  for (const Json& set : read_json(kTokenizerData / "clip_cases.json")) {
    const TokenizerDirectory directory(set["files"]);
    const auto tokenizer = load_tokenizer(directory.path());
    for (const Json& expected : set["cases"]) {
      const auto text = expected[0].get<std::string>();
      auto ids = expected[1].get<std::vector<int64_t>>();
      ids.resize(static_cast<size_t>(tokenizer->model_max_length()), set["pad"].get<int64_t>());
      const TokenizedText got = tokenizer->encode(text);
      EXPECT_EQ(got.ids, ids) << set["name"] << ": " << expected[0];
      EXPECT_EQ(got.truncated, expected[2].get<std::string>())
          << set["name"] << ": " << expected[0];
      EXPECT_EQ(got.truncated_tokens > 0, !got.truncated.empty());
    }
  }
}

std::string block_text(char32_t first) {
  std::string text;
  for (char32_t c = first; c < first + 1024; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    text += 'a';
    append_utf8(c, &text);
    text += "b ";
    append_utf8(c, &text);
    text += ' ';
  }
  return text;
}

TEST(ClipTokenizer, EqualsTransformersOnEveryCodePoint) {
  const TokenizerDirectory directory(
      Json{{"tokenizer_config.json", {{"model_max_length", 65536}}}});
  const ClipTokenizer tokenizer(directory.path());
  const Json digests = read_json(kTokenizerData / "clip_code_points.json");
  ASSERT_EQ(digests.size(), 1088u);
  for (size_t block = 0; block < digests.size(); ++block) {
    const TokenizedText got = tokenizer.encode(block_text(static_cast<char32_t>(block * 1024)));
    std::string bytes;
    for (size_t i = 0; i < got.ids.size(); ++i) {
      const auto id = static_cast<uint32_t>(got.ids[i]);
      bytes.append(reinterpret_cast<const char*>(&id), sizeof id);
      if (i > 0 && got.ids[i] == tokenizer.eos_token_id()) break;
    }
    EXPECT_EQ(sha256(bytes).substr(0, 8), digests[block].get<std::string>())
        << "code points from " << block * 1024;
  }
}

TEST(ClipTokenizer, ReadsInvalidBytesAsReplacementCharacters) {
  const TokenizerDirectory directory;
  const ClipTokenizer tokenizer(directory.path());
  EXPECT_EQ(tokenizer.encode("a\xE2\x82z\xFF").ids,
            tokenizer.encode("a\xEF\xBF\xBDz\xEF\xBF\xBD").ids);
}

TEST(ClipTokenizer, SaysHowManyTokensFellOff) {
  const TokenizerDirectory directory;
  const ClipTokenizer tokenizer(directory.path());
  std::string text;
  for (int i = 0; i < 80; ++i) text += "1 ";
  const TokenizedText got = tokenizer.encode(text);
  EXPECT_EQ(got.ids.size(), 77u);
  EXPECT_EQ(got.truncated_tokens, 5);
  EXPECT_EQ(got.truncated, "1 1 1 1 1");
}

TEST(ClipTokenizer, TakesAVeryLongWord) {
  const TokenizerDirectory directory;
  const ClipTokenizer tokenizer(directory.path());
  EXPECT_GT(tokenizer.encode(std::string(1 << 20, 'q')).truncated_tokens, 1 << 18);
}

TEST(ClipTokenizer, GivesTheSameIdsToManyThreads) {
  const TokenizerDirectory directory;
  const ClipTokenizer tokenizer(directory.path());
  const auto expected = tokenizer.encode("the dragon's eyes are green").ids;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        tokenizer.encode("word" + std::to_string(i));
        EXPECT_EQ(tokenizer.encode("the dragon's eyes are green").ids, expected);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ClipTokenizer, RefusesAVocabularyWithoutBytesOrUnknownToken) {
  const TokenizerDirectory directory;
  directory.write("vocab.json", R"({"a": 0, "b": 1})");
  directory.write("merges.txt", "");
  EXPECT_SDXL_ERROR(load_tokenizer(directory.path()), ExitStatus::kBadData, "lacks the byte token");
}

}  // namespace
}  // namespace sdxl
