// T5Tokenizer against transformers (tools/reference/tokens.py), and malformed SentencePiece models.
#include "tokenizers/t5_tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/files.h"
#include "support/expect_error.h"
#include "tokenizer_directory.h"
#include "tokenizers/character_map.h"
#include "tokenizers/sentencepiece_file.h"

namespace sdxl {
namespace {

using test::kTokenizerData;
using test::TokenizerDirectory;

TEST(T5Tokenizer, EqualsTransformersUnderEveryConfiguration) {
  for (const Json& set : read_json(kTokenizerData / "t5_cases.json")) {
    const TokenizerDirectory directory(set["files"], "t5");
    const auto tokenizer = load_tokenizer(directory.path());
    const auto length = static_cast<size_t>(tokenizer->model_max_length());
    for (const Json& expected : set["cases"]) {
      auto ids = expected[1].get<std::vector<int64_t>>();
      ids.resize(length, set["pad"].get<int64_t>());
      const TokenizedText got = tokenizer->encode(expected[0].get<std::string>());
      EXPECT_EQ(got.ids, ids) << set["name"] << ": " << expected[0];
      EXPECT_EQ(got.truncated, expected[2].get<std::string>())
          << set["name"] << ": " << expected[0];
    }
  }
}

TEST(T5Tokenizer, ReadsTheTokenizerOfTheDemo) {
  const auto tokenizer = load_tokenizer(fs::path(SDXL_SOURCE_DIR) / "configs/demo/base/tokenizer");
  const TokenizedText got = tokenizer->encode("a red circle");
  EXPECT_EQ(static_cast<int64_t>(got.ids.size()), tokenizer->model_max_length());
  EXPECT_EQ(std::count(got.ids.begin(), got.ids.end(), tokenizer->eos_token_id()), 1);
  EXPECT_EQ(*std::max_element(got.ids.begin(), got.ids.end()), tokenizer->eos_token_id());
}

TEST(T5Tokenizer, RefusesAModelWithoutTheClassThatReadsIt) {
  const TokenizerDirectory directory(Json::object(), "t5");
  EXPECT_SDXL_ERROR(load_tokenizer(directory.path()), ExitStatus::kBadData, "tokenizer_class");
}

TEST(SentencePieceFile, EveryCutIsRefusedOrRead) {
  const std::string whole = read_file(kTokenizerData / "t5/spiece.model");
  for (size_t size = 0; size < whole.size(); ++size) {
    try {
      EXPECT_LE(parse_sentencepiece(std::string_view(whole).substr(0, size), "x").pieces.size(),
                300u);
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), ExitStatus::kBadData);
    }
  }
}

TEST(SentencePieceFile, RefusesWhatIsNoModel) {
  EXPECT_SDXL_ERROR(parse_sentencepiece("", "f"), ExitStatus::kBadData, "f: is no SentencePiece");
  EXPECT_SDXL_ERROR(parse_sentencepiece("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", "f"),
                    ExitStatus::kBadData, "cut short");
  EXPECT_SDXL_ERROR(parse_sentencepiece(std::string(11, '\xFF'), "f"), ExitStatus::kBadData,
                    "64 bits");
  EXPECT_SDXL_ERROR(parse_sentencepiece("\x0B", "f"), ExitStatus::kBadData, "unknown kind");
}

TEST(CharacterMap, TakesAnyTrieWithoutLeavingIt) {
  std::string blob =
      parse_sentencepiece(read_file(kTokenizerData / "t5/spiece.model"), "x").precompiled_charsmap;
  for (size_t at = 4; at < blob.size(); ++at) {
    std::string changed = blob;
    changed[at] = static_cast<char>(changed[at] ^ 0x5A);
    try {
      CharacterMap(changed, "x").apply("A\u0301 quick B \uFB01 \U00020000");
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), ExitStatus::kBadData);
    }
  }
  EXPECT_SDXL_ERROR(CharacterMap("\xFF\xFF\xFF\x7F", "f"), ExitStatus::kBadData, "longer than");
}

}  // namespace
}  // namespace sdxl
