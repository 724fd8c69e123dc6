// T5Tokenizer against transformers and SentencePiece (tools/reference/tokens.py).
#include "tokenizers/t5_tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/expect_error.h"
#include "tokenizer_directory.h"

namespace sdxl {
namespace {

using test::kTokenizerData;
using test::TokenizerDirectory;

TEST(T5Tokenizer, EqualsTheReferencesUnderEveryConfiguration) {
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

TEST(T5Tokenizer, GivesSentencePiecesIdsWhereTransformersDiffers) {
  TokenizerDirectory directory(Json::object(), "t5");
  directory.write("tokenizer_config.json",
                  R"({"model_max_length": 64, "tokenizer_class": "T5Tokenizer"})");
  const auto tokenizer = load_tokenizer(directory.path());
  for (const Json& difference : read_json(kTokenizerData / "t5_differences.json")) {
    auto ids = difference[2].get<std::vector<int64_t>>();
    ASSERT_NE(ids, difference[3].get<std::vector<int64_t>>()) << difference[0];
    ids.push_back(tokenizer->eos_token_id());
    std::vector<int64_t> got = tokenizer->encode(difference[1].get<std::string>()).ids;
    got.resize(ids.size());
    EXPECT_EQ(got, ids) << difference[0];
  }
}

// SentencePiece takes its user-defined symbols as they stand too.
TEST(T5Tokenizer, FindsAddedTokensAsTheyStandEvenIfTheyAreMarkedAsNormalized) {
  const TokenizerDirectory directory(
      {{"tokenizer_config.json",
        {{"model_max_length", 8},
         {"tokenizer_class", "T5Tokenizer"},
         {"added_tokens_decoder",
          {{"900", {{"content", "SKS"}, {"normalized", true}, {"special", false}}}}}}}},
      "t5");
  const auto tokenizer = load_tokenizer(directory.path());
  const auto highest_id = [&](const char* text) {
    const std::vector<int64_t> ids = tokenizer->encode(text).ids;
    return *std::max_element(ids.begin(), ids.end());
  };
  EXPECT_EQ(highest_id("a SKS"), 119 + 100);  // After the model's pieces and the extra ids.
  EXPECT_LT(highest_id("a sks"), 119);
}

TEST(T5Tokenizer, ReadsTheTokenizerOfTheDemo) {
  const auto tokenizer =
      load_tokenizer(std::filesystem::path(SDXL_SOURCE_DIR) / "configs/demo/base/tokenizer");
  const TokenizedText got = tokenizer->encode("a red circle");
  EXPECT_EQ(static_cast<int64_t>(got.ids.size()), tokenizer->model_max_length());
  EXPECT_EQ(std::count(got.ids.begin(), got.ids.end(), tokenizer->eos_token_id()), 1);
  EXPECT_EQ(*std::max_element(got.ids.begin(), got.ids.end()), tokenizer->eos_token_id());
}

TEST(T5Tokenizer, RefusesAModelWithoutTheClassThatReadsIt) {
  const TokenizerDirectory directory(Json::object(), "t5");
  EXPECT_SDXL_ERROR(load_tokenizer(directory.path()), ExitStatus::kBadData, "tokenizer_class");
}

TEST(T5Tokenizer, RefusesADamagedTokenizerJson) {
  const TokenizerDirectory directory(Json::object(), "t5");
  directory.write("tokenizer_config.json",
                  R"({"model_max_length": 8, "tokenizer_class": "T5Tokenizer"})");
  for (const auto& [content, part] : std::map<std::string, std::string>{
           {R"({"model": {}})", "has no unigram model"},
           {R"({"model": {"vocab": [["a"]]}})", "piece 0 is not a text with a score"},
           {R"({"model": {"vocab": [["a", 0], ["b", 0]]}})", "unk is not defined"},
           {R"({"model": {"vocab": [["a", 0], ["a", 0], ["c", 0]]}})", "a is already defined"},
           {R"({"model": {"vocab": []}, "normalizer": {"type": "Precompiled",
               "precompiled_charsmap": "A*=="}})",
            "not base64"},
           {R"({"model": {"vocab": []}, "normalizer": {"type": "Precompiled",
               "precompiled_charsmap": "AAAA"}})",
            "charsmap is damaged"}}) {
    directory.write("tokenizer.json", content);
    EXPECT_SDXL_ERROR(load_tokenizer(directory.path()), ExitStatus::kBadData, part);
  }
}

}  // namespace
}  // namespace sdxl
