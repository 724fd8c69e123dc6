// Malformed vocabularies, merges and settings are refused by name; well-formed ones are read.
#include "tokenizers/bpe_files.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tokenizer_directory.h"
#include "tokenizers/tokenizer.h"

namespace sdxl {
namespace {

using test::TokenizerDirectory;

// The small vocabulary as tokenizer.json, the way transformers saves it.
Json whole_tokenizer(const TokenizerDirectory& directory, bool pairs_as_lists) {
  const BpeFiles files = read_bpe_files(directory.path());
  Json vocabulary = Json::object(), merges = Json::array();
  for (const auto& [token, id] : files.tokens) vocabulary[token] = id;
  for (const auto& [left, right] : files.merges) {
    merges.push_back(pairs_as_lists ? Json::array({left, right}) : Json(left + " " + right));
  }
  return {{"version", "1.0"},
          {"added_tokens", Json::array()},
          {"normalizer", {{"type", "Sequence"}, {"model", {{"vocab", {{"not a token", 1.5}}}}}}},
          {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}}}};
}

TEST(BpeFiles, TokenizerJsonGivesTheSameIds) {
  const TokenizerDirectory directory;
  const auto expected = load_tokenizer(directory.path())->encode("the dragon's green eyes").ids;
  for (bool lists : {false, true}) {
    const TokenizerDirectory whole;
    whole.write("tokenizer.json", whole_tokenizer(directory, lists).dump());
    whole.write("vocab.json", "not even JSON");
    EXPECT_EQ(load_tokenizer(whole.path())->encode("the dragon's green eyes").ids, expected);
  }
}

TEST(BpeFiles, ReadsMergesWithCarriageReturnsAndTheVersionAnywhere) {
  const TokenizerDirectory directory;
  directory.write("merges.txt", "t h\r\n#version: 0.2\r\ni n\r\n");
  const BpeFiles files = read_bpe_files(directory.path());
  ASSERT_EQ(files.merges.size(), 2u);
  EXPECT_EQ(files.merges[1], std::make_pair(std::string("i"), std::string("n")));
}

TEST(BpeFiles, RefusesMalformedVocabularies) {
  const TokenizerDirectory directory;
  for (const auto& [content, part] : std::map<std::string, std::string>{
           {R"({"a": 1.5})", "not an integer"},
           {R"({"a": "b"})", "not an integer"},
           {R"({"a": {"b": 1}})", "an object where"},
           {R"({"a": [1]})", "a list where"},
           {R"({"a": 1, "a": 2})", "twice"},
           {R"({"a": 1, "b": 1})", "same id 1"},
           {R"({"a": -1})", "the id -1"},
           {R"({"a": 18446744073709551615})", "the id 9223372036854775807"},
           {R"({"a": 5000000})", "the id 5000000"},
           {R"([1, 2])", "holds no tokens"},
           {R"({})", "holds no tokens"},
           {R"({"a": 1)", "not valid JSON"},
           {"{\"\xFF\": 1}", "not valid JSON"}}) {
    directory.write("vocab.json", content);
    EXPECT_SDXL_ERROR(load_tokenizer(directory.path()), ExitStatus::kBadData, part);
  }
}

TEST(BpeFiles, RefusesMalformedMerges) {
  const TokenizerDirectory directory;
  for (const auto& [content, part] : std::map<std::string, std::string>{
           {"t h\nin\n", "merges.txt, line 2: 'in' is not two tokens"},
           {"t h\n\ni n\n", "line 2"},
           {"t h e\n", "line 1"},
           {"t \xC3\n", "not valid UTF-8"},
           {"t no-such-token\n", "merge 1 needs the token 'no-such-token'"},
           {"z z\n", "needs the token 'zz'"}}) {
    directory.write("merges.txt", content);
    EXPECT_SDXL_ERROR(load_tokenizer(directory.path()), ExitStatus::kBadData, part);
  }
}

TEST(BpeFiles, RefusesMalformedTokenizerJson) {
  const TokenizerDirectory directory;
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  for (const auto& [content, part] : std::map<std::string, std::string>{
           {R"({"model": {"vocab": [["a", 0]]}})", "holds no tokens"},
           {R"({"model": {"vocab": {"a": 0}, "merges": [["a"]]}})", "not of two tokens"},
           {R"({"model": {"vocab": {"a": 0}, "merges": [1]}})", "not text"},
           {R"({"model": {"vocab": {"a": 0}, "merges": [[["a"]]]}})", "a list where"},
           {R"({"a": 1, "a": 2})", "twice"},
           {deep, "nested too deeply"}}) {
    directory.write("tokenizer.json", content);
    EXPECT_SDXL_ERROR(load_tokenizer(directory.path()), ExitStatus::kBadData, part);
  }
}

TEST(LoadTokenizer, RefusesAClassItDoesNotKnow) {
  const TokenizerDirectory directory;
  directory.write("tokenizer_config.json",
                  R"({"model_max_length": 77, "tokenizer_class": "BertTokenizer"})");
  EXPECT_SDXL_ERROR(load_tokenizer(directory.path()), ExitStatus::kBadData, "'BertTokenizer'");
}

TEST(LoadTokenizer, RefusesADirectoryWithoutAVocabulary) {
  const test::TemporaryDirectory directory;
  EXPECT_SDXL_ERROR(load_tokenizer(directory.path()), ExitStatus::kBadData, "holds no tokenizer");
}

}  // namespace
}  // namespace sdxl
