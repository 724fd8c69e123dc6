#include "base/json.h"

#include <fstream>

#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

std::string nested(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(Json, KeepsTheOrderOfKeysAndEveryDigit) {
  const std::string text = R"({"z":[1,{"b":null}],"a":1e-06,"seed":18446744073709551615})";
  EXPECT_EQ(parse_json(text, "x").dump(), text);
  EXPECT_EQ(parse_json("-9223372036854775808", "x").get<int64_t>(), INT64_MIN);
}

TEST(Json, RefusesDuplicateKeysAndInvalidText) {
  EXPECT_SDXL_ERROR(parse_json(R"({"a":1,"b":{"a":2},"a":3})", "f.json"), ExitStatus::kBadData,
                    "f.json: the key 'a' occurs twice");
  EXPECT_SDXL_ERROR(parse_json("\"\xff\"", "f"), ExitStatus::kBadData, "UTF-8");
  EXPECT_SDXL_ERROR(parse_json("NaN", "f"), ExitStatus::kBadData, "not valid JSON");
  EXPECT_SDXL_ERROR(parse_json("[1] 2", "f"), ExitStatus::kBadData, "not valid JSON");
  EXPECT_SDXL_ERROR(parse_json("1e999", "f"), ExitStatus::kBadData, "overflow");
  EXPECT_SDXL_ERROR(parse_json("", "f"), ExitStatus::kBadData, "line 1");
}

TEST(Json, RefusesDeepNesting) {
  EXPECT_TRUE(parse_json(nested(64), "f").is_array());
  EXPECT_SDXL_ERROR(parse_json(nested(65), "f"), ExitStatus::kBadData, "64 levels");
  EXPECT_SDXL_ERROR(parse_json(std::string(1'000'000, '['), "f"), ExitStatus::kBadData,
                    "64 levels");
}

TEST(Json, ReadsVeryManyKeysInLinearTime) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += (i ? ",\"k" : "\"k") + std::to_string(i) + "\":1";
  EXPECT_EQ(parse_json(text + "}", "f").size(), 200'000u);
}

TEST(Json, ChecksTheTypesOfValues) {
  const Json json = parse_json(R"({"n":3,"x":2.5,"s":"t","none":null,"big":4294967296})", "f");
  EXPECT_EQ(json_value(json, "n", 0, "f"), 3);
  EXPECT_EQ(json_value(json, "n", 0.0, "f"), 3.0);
  EXPECT_EQ(json_value(json, "none", 7, "f"), 7);
  EXPECT_EQ(json_value(json, "absent", std::string("d"), "f"), "d");
  EXPECT_SDXL_ERROR(json_value(json, "x", 0, "f"), ExitStatus::kBadData,
                    "'x' must be an integer, not '2.5'");
  EXPECT_SDXL_ERROR(json_value(json, "big", 0, "f"), ExitStatus::kBadData, "in range");
  EXPECT_SDXL_ERROR(json_value(json, "n", true, "f"), ExitStatus::kBadData, "true or false");
  EXPECT_SDXL_ERROR(json_value(json, "n", std::string(), "f"), ExitStatus::kBadData, "'n'");
}

TEST(Json, WritesWhatItReads) {
  const test::TemporaryDirectory directory;
  const Json json = parse_json(R"({"a":[1,2],"b":"x"})", "f");
  write_json(directory / "f.json", json);
  EXPECT_EQ(read_json(directory / "f.json"), json);
  EXPECT_SDXL_ERROR(read_json(directory / "none.json"), ExitStatus::kFileError, "none.json");
}

}  // namespace
}  // namespace sdxl
