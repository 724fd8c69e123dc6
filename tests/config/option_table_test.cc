// The option table: texts, JSON, origins, rules.
#include "config/option_table.h"

#include "support/expect_error.h"

namespace sdxl {
namespace {

struct Sample {
  bool flag = false;
  int64_t count = 4;
  double rate = 1e-4;
  std::string text = "x";
  IntPair size;
  std::optional<uint64_t> seed;
  std::optional<std::string> name;
  std::vector<std::string> prompt;
  std::vector<double> sigmas;
  bool now = false;

  OptionSet options{[this] {
    OptionTable table;
    table.add("flag", &flag, "");
    table.add("count", &count, "", {.at_least = 1, .at_most = 64, .multiple_of = 4});
    table.add("rate", &rate, "", {.above = 0, .below = 1});
    table.add("text", &text, "", {.choices = {"x", "yes"}});
    table.add("size", &size, "", {.at_least = 0});
    table.add("seed", &seed, "");
    table.add("name", &name, "");
    table.add("prompt", &prompt, "");
    table.add("sigmas", &sigmas, "");
    table.add("now", &now, "", {.flag_only = true});
    return table.take();
  }()};

  void set(const std::string& option, const std::string& value) {
    options.set_from_flag(option, {value});
  }
  void set_json(const std::string& text) { options.set_from_json(parse_json(text, "c"), "c.json"); }
};

TEST(OptionTable, ReadsTextsOfEveryType) {
  Sample sample;
  sample.set("flag", "true");
  sample.set("count", "64");
  sample.set("rate", "1e-06");
  sample.set("text", "yes");
  sample.set("size", "512, 768");
  sample.set("seed", "18446744073709551615");
  sample.set("name", "");
  sample.options.set_from_flag("prompt", {"a", "", "--b"});
  sample.options.set_from_flag("sigmas", {"1.5,0.5", "0"});
  EXPECT_TRUE(sample.flag);
  EXPECT_EQ(sample.count, 64);
  EXPECT_EQ(sample.rate, 1e-6);
  EXPECT_EQ(sample.size, (IntPair{512, 768}));
  EXPECT_EQ(sample.seed, UINT64_MAX);
  EXPECT_EQ(sample.name, "");
  EXPECT_EQ(sample.prompt, (std::vector<std::string>{"a", "", "--b"}));
  EXPECT_EQ(sample.sigmas, (std::vector<double>{1.5, 0.5, 0}));
}

TEST(OptionTable, TheLastTextOfASingleOptionCounts) {
  Sample sample;
  sample.options.set_from_flag("count", {"8", "16"});
  EXPECT_EQ(sample.count, 16);
}

TEST(OptionTable, RefusesNumbersThatAreNotWhollyNumbers) {
  Sample sample;
  for (const char* text : {"", "8x", " 8", "8.0", "0x10", "1e3", "99999999999999999999", "++8"}) {
    EXPECT_SDXL_ERROR(sample.set("count", text), ExitStatus::kUsage, "must be an integer");
  }
  for (const char* text : {"", "nan", "inf", "1e999", "0,5", "1e-4x"}) {
    EXPECT_SDXL_ERROR(sample.set("rate", text), ExitStatus::kUsage, "must be a finite number");
  }
  EXPECT_SDXL_ERROR(sample.set("seed", "-1"), ExitStatus::kUsage, "--seed '-1'");
  EXPECT_SDXL_ERROR(sample.set("seed", "18446744073709551616"), ExitStatus::kUsage, "from 0 to");
  EXPECT_SDXL_ERROR(sample.set("size", "512"), ExitStatus::kUsage, "two integers H,W");
  EXPECT_SDXL_ERROR(sample.set("flag", "yes"), ExitStatus::kUsage, "true or false");
  EXPECT_EQ(sample.count, 4);
}

TEST(OptionTable, ChecksTheRules) {
  Sample sample;
  EXPECT_SDXL_ERROR(sample.set("count", "0"), ExitStatus::kUsage,
                    "--count '0': must be at least 1");
  EXPECT_SDXL_ERROR(sample.set("count", "68"), ExitStatus::kUsage, "at most 64");
  EXPECT_SDXL_ERROR(sample.set("count", "18"), ExitStatus::kUsage, "a multiple of 4, such as 16");
  EXPECT_SDXL_ERROR(sample.set("rate", "0"), ExitStatus::kUsage, "greater than 0");
  EXPECT_SDXL_ERROR(sample.set("rate", "1"), ExitStatus::kUsage, "less than 1");
  EXPECT_SDXL_ERROR(sample.set("text", "yess"), ExitStatus::kUsage,
                    "--text 'yess': must be one of x, yes; did you mean yes?");
  EXPECT_SDXL_ERROR(sample.set("size", "8,-8"), ExitStatus::kUsage, "at least 0");
}

TEST(OptionTable, RefusesNumbersThatNoComputationHolds) {
  Sample sample;
  EXPECT_SDXL_ERROR(sample.set("sigmas", "1e300"), ExitStatus::kUsage, "at most 3.4");
  EXPECT_SDXL_ERROR(sample.set("sigmas", "-1e39"), ExitStatus::kUsage, "at least -3.4");
  EXPECT_SDXL_ERROR(sample.set("size", "8,9000000000"), ExitStatus::kUsage, "at most 1e+09");
}

TEST(OptionTable, ReadsJson) {
  Sample sample;
  sample.set_json(R"({"_version":{"any":"thing"},"flag":true,"count":8,"rate":0.5,"size":[1,2],
                      "seed":18446744073709551615,"name":null,"prompt":"one","sigmas":[2,1.5]})");
  EXPECT_TRUE(sample.flag);
  EXPECT_EQ(sample.seed, UINT64_MAX);
  EXPECT_EQ(sample.size, (IntPair{1, 2}));
  EXPECT_EQ(sample.prompt, std::vector<std::string>{"one"});
  EXPECT_EQ(sample.sigmas, (std::vector<double>{2, 1.5}));
  EXPECT_EQ(sample.name, std::nullopt);
}

TEST(OptionTable, RefusesJsonOfTheWrongShape) {
  Sample sample;
  EXPECT_SDXL_ERROR(sample.set_json("[]"), ExitStatus::kUsage, "c.json: must be a JSON object");
  EXPECT_SDXL_ERROR(sample.set_json(R"({"cuont":8})"), ExitStatus::kUsage,
                    "c.json: unknown key 'cuont'; did you mean 'count'?");
  EXPECT_SDXL_ERROR(sample.set_json(R"({"count":"8"})"), ExitStatus::kUsage,
                    "c.json: count '\"8\"': must be an integer");
  EXPECT_SDXL_ERROR(sample.set_json(R"({"count":8.0})"), ExitStatus::kUsage, "integer");
  EXPECT_SDXL_ERROR(sample.set_json(R"({"count":null})"), ExitStatus::kUsage, "integer");
  EXPECT_SDXL_ERROR(sample.set_json(R"({"flag":1})"), ExitStatus::kUsage, "true or false");
  EXPECT_SDXL_ERROR(sample.set_json(R"({"prompt":["a",1]})"), ExitStatus::kUsage, "a string");
  EXPECT_SDXL_ERROR(sample.set_json(R"({"now":true})"), ExitStatus::kUsage, "as a flag");
}

TEST(OptionTable, FlagsOverrideFilesInAnyOrder) {
  Sample sample;
  sample.set("count", "8");
  sample.set_json(R"({"count":16,"rate":0.25,"prompt":["file"]})");
  sample.options.set_from_flag("prompt", {"flag"});
  EXPECT_EQ(sample.count, 8);
  EXPECT_EQ(sample.prompt, std::vector<std::string>{"flag"});
  EXPECT_EQ(sample.options.origin("count"), OptionOrigin::kFlag);
  EXPECT_EQ(sample.options.origin("rate"), OptionOrigin::kFile);
  EXPECT_FALSE(sample.options.given("text"));
}

TEST(OptionTable, NumbersCanBeUnset) {
  Sample sample;
  sample.set_json(R"({"seed":3,"name":"n"})");
  sample.set("seed", "none");
  sample.set("name", "none");  // a text like any other
  EXPECT_EQ(sample.seed, std::nullopt);
  EXPECT_EQ(sample.name, "none");
}

TEST(OptionTable, WhatItWritesItReadsAgain) {
  Sample sample, copy;
  sample.set("seed", "9007199254740993");
  sample.set("rate", "0.1");
  sample.options.set_from_flag("prompt", {"line\nbreak", "\"quotes\""});
  copy.options.set_from_json(parse_json(sample.options.to_json().dump(), "c"), "c");
  EXPECT_EQ(copy.options.to_json(), sample.options.to_json());
  EXPECT_EQ(copy.seed, 9007199254740993u);
  EXPECT_FALSE(sample.options.to_json().contains("now"));
}

TEST(OptionTable, KeepsSecretsOutOfJson) {
  Sample sample;
  sample.set("name", "hf_abcdefghijKLMNOPQRST12");
  sample.options.set_from_flag("prompt", {"https://me:pa55@host/"});
  EXPECT_EQ(sample.options.to_json()["name"], "[redacted]");
  EXPECT_EQ(sample.options.to_json()["prompt"][0], "https://[redacted]@host/");
}

TEST(OptionTable, FindsNamesWithDashes) {
  bool value = false;
  OptionTable table;
  table.add("two_words", &value, "");
  const OptionSet options(table.take());
  EXPECT_NE(options.find("two-words"), nullptr);
  EXPECT_NE(options.find("two_words"), nullptr);
  EXPECT_EQ(options.find("two"), nullptr);
}

}  // namespace
}  // namespace sdxl
