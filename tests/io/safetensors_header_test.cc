// The header's rules against the verdicts of the reference reader.
#include "io/safetensors_header.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "support/expect_error.h"

namespace sdxl {
namespace {

std::string from_base64(const std::string& text) {
  const std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (char digit : text) {
    if (digit == '=') break;
    bits = bits << 6 | static_cast<uint32_t>(kDigits.find(digit));
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>(bits >> count & 0xff));
    }
  }
  return bytes;
}

std::string file_with(const std::string& header, const std::string& data = "") {
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i));
  return length + header + data;
}

TEST(SafetensorsHeader, AgreesWithTheReferenceReaderOrIsStricter) {
  const Json json = read_json(SDXL_TEST_DATA "/safetensors/cases.json");
  for (const Json& item : json["cases"]) {
    const std::string file = from_base64(item["file"]);
    bool accepted = true;
    std::string message;
    try {
      parse_safetensors_header(file, file.size(), "case");
    } catch (const Error& error) {
      accepted = false;
      message = error.what();
      EXPECT_EQ(error.status(), ExitStatus::kBadData) << item["name"];
      EXPECT_EQ(message.rfind("case: not a valid safetensors file: ", 0), 0u) << message;
    }
    EXPECT_EQ(accepted, item["ours"].get<bool>()) << item["name"] << ": " << message;
  }
}

TEST(SafetensorsHeader, SortsEntriesByOffset) {
  const std::string file = file_with(
      R"({"__metadata__":{"k":"v"},"b":{"dtype":"U8","shape":[2,2],"data_offsets":[4,8]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
      std::string(8, '\0'));
  const SafetensorsHeader header = parse_safetensors_header(file, file.size(), "f");
  ASSERT_EQ(header.entries.size(), 2u);
  EXPECT_EQ(header.entries[0].name, "a");
  EXPECT_EQ(header.entries[1].shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(header.entries[1].begin, 4u);
  EXPECT_EQ(header.metadata.at("k"), "v");
  EXPECT_EQ(header.data_offset, file.size() - 8);
}

TEST(SafetensorsHeader, NeedsOnlyTheHeaderOfALargeFile) {
  const std::string prefix = file_with(
      R"({"a":{"dtype":"F16","shape":[1099511627776],"data_offsets":[0,2199023255552]}})");
  const SafetensorsHeader header =
      parse_safetensors_header(prefix, prefix.size() + 2199023255552, "f");
  EXPECT_EQ(header.entries[0].end, 2199023255552u);
}

TEST(SafetensorsHeader, NamesFileTensorAndValuesInErrors) {
  const std::string file =
      file_with(R"({"w\u001b":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "0000");
  EXPECT_SDXL_ERROR(parse_safetensors_header(file, file.size(), "unet.safetensors"),
                    ExitStatus::kBadData,
                    "unet.safetensors: not a valid safetensors file: tensor 'w\\x1B' has 4 bytes "
                    "but its shape and dtype need 8");
}

/// Even an empty tensor has strides, which must fit into 64 bits.
TEST(SafetensorsHeader, RefusesEmptyTensorsWhoseStridesOverflow) {
  const std::string bytes = file_with(
      R"({"w":{"dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[0,0]}})", "");
  EXPECT_THROW(parse_safetensors_header(bytes, bytes.size(), "x"), Error);
}

TEST(SafetensorsHeader, ReportsTruncation) {
  const std::string file =
      file_with(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "0000");
  EXPECT_SDXL_ERROR(parse_safetensors_header(file, file.size(), "f"), ExitStatus::kBadData,
                    "the file is cut short: its tensors need 8 bytes and it has 4");
}

TEST(SafetensorsHeader, RefusesAHundredMegabytesOfNesting) {
  const std::string nested = R"({"a":{"x":)" + std::string(90'000'000, '[');
  const std::string file = file_with(nested);
  EXPECT_SDXL_ERROR(parse_safetensors_header(file, file.size(), "f"), ExitStatus::kBadData,
                    "nested too deeply");
}

}  // namespace
}  // namespace sdxl
