// What tokenizer_config.json and its like may not say.
#include "tokenizers/settings.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "tokenizer_directory.h"
#include "tokenizers/tokenizer.h"

namespace sdxl {
namespace {

using test::TokenizerDirectory;

TEST(TokenizerSettings, RefusesAMissingOrImpossibleLength) {
  const TokenizerDirectory directory;
  for (const char* config : {"{}", R"({"model_max_length": 2})",
                             R"({"model_max_length": 1000000000000000019884624838656})",
                             R"({"model_max_length": "77"})", R"({"model_max_length": 1e999})"}) {
    directory.write("tokenizer_config.json", config);
    EXPECT_THROW(load_tokenizer(directory.path()), Error) << config;
  }
}

TEST(TokenizerSettings, RefusesWhatIsNotAToken) {
  const TokenizerDirectory directory;
  for (
      const auto& [config, part] : std::map<std::string, std::string>{
          {R"({"model_max_length": 77, "bos_token": 3})", "'bos_token' must be text"},
          {R"({"model_max_length": 77, "bos_token": {"content": "a"}})", "AddedToken object"},
          {R"({"model_max_length": 77, "pad_token": null})", "pad_token must not be null"},
          {R"({"model_max_length": 77, "added_tokens_decoder": {"x": {"content": "a"}}})",
           "not a token id"},
          {R"({"model_max_length": 77, "added_tokens_decoder": {"1": {"lstrip": true}}})",
           "\"content\""},
          {R"({"model_max_length": 77, "added_tokens_decoder": {"1": {"content": "a", "single_word": true}}})",
           "single_word"},
          {R"({"model_max_length": 77, "extra_special_tokens": "x"})", "a list of tokens"},
          {R"({"model_max_length": 77, "padding_side": "middle"})", "left or right"},
          {R"({"model_max_length": 77, "split_special_tokens": 1})", "true or false"}}) {
    directory.write("tokenizer_config.json", config);
    EXPECT_SDXL_ERROR(load_tokenizer(directory.path()), ExitStatus::kBadData, part);
  }
}

TEST(TokenizerSettings, TwoTokensThatNormaliseAlikeAreRefused) {
  const TokenizerDirectory directory;
  directory.write("added_tokens.json", R"({"<Dog>": 900, "<dog>": 901})");
  EXPECT_SDXL_ERROR(load_tokenizer(directory.path()), ExitStatus::kBadData, "'<dog>'");
}

TEST(TokenizerSettings, CutsOnTheLeftWhereTheConfigSaysSo) {
  const TokenizerDirectory directory;
  directory.write("tokenizer_config.json", R"({"model_max_length": 4, "truncation_side": "left"})");
  const TokenizedText got = load_tokenizer(directory.path())->encode("1 2 3 4 5");
  EXPECT_EQ(got.truncated, "1 2 3");
  EXPECT_EQ(got.truncated_tokens, 3);
}

}  // namespace
}  // namespace sdxl
