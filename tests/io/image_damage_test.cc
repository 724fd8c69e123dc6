// Damaged, foreign and hostile files give an Error that names the file, quickly and in little
// memory.
#include <gtest/gtest.h>
#include <zlib.h>

#include <ctime>
#include <random>

#include "io/decode.h"
#include "io/image.h"
#include "io/png.h"
#include "io/png_chunks.h"
#include "io/safetensors.h"
#include "support/expect_error.h"

namespace sdxl {
namespace {

std::vector<std::string> files() {
  const SafetensorsFile all(SDXL_TEST_DATA "/images/cases.safetensors");
  std::vector<std::string> files;
  for (const SafetensorsEntry& entry : all.entries()) {
    if (entry.name.find("/file") == std::string::npos) continue;
    const at::Tensor file = all.tensor(entry.name);
    files.emplace_back(static_cast<const char*>(file.const_data_ptr()), file.nbytes());
  }
  return files;
}

/// Decodes; true if that worked. Anything but an Error(kBadData) fails the test.
bool readable(const std::string& bytes) {
  try {
    const Image image = decode_image(bytes, "damaged");
    EXPECT_EQ(image.rgb.size(), static_cast<size_t>(image.height * image.width * 3));
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), ExitStatus::kBadData) << error.what();
    return false;
  }
}

std::string big_endian(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

std::string packed(const std::string& bytes) {
  std::string out(compressBound(bytes.size()), '\0');
  uLongf size = out.size();
  compress2(reinterpret_cast<Bytef*>(out.data()), &size,
            reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), 9);
  out.resize(size);
  return out;
}

std::string gray_png(uint32_t width, uint32_t height, const std::string& data) {
  std::string png(formats::kPngSignature);
  std::string header = big_endian(width) + big_endian(height);
  header += std::string("\x08\0\0\0\0", 5);
  formats::append_chunk(png, "IHDR", header);
  formats::append_chunk(png, "IDAT", data);
  formats::append_chunk(png, "IEND", "");
  return png;
}

TEST(ImageDamage, SurvivesEveryPrefixOfAFile) {
  for (const std::string& file : files()) {
    int refused = 0;
    for (size_t size = 0; size < file.size(); size += 1 + file.size() / 100) {
      refused += readable(file.substr(0, size)) ? 0 : 1;
    }
    EXPECT_GT(refused, 0);
  }
}

TEST(ImageDamage, SurvivesChangedBytes) {
  std::mt19937 random(1);
  for (const std::string& file : files()) {
    for (int i = 0; i < 40; ++i) {
      std::string damaged = file;
      for (int j = 0; j < 3; ++j) damaged[random() % damaged.size()] = static_cast<char>(random());
      readable(damaged);
    }
  }
}

TEST(ImageDamage, RefusesSizesBeyondTheLimitsFromTheHeader) {
  const std::clock_t start = std::clock();
  for (const auto& [width, height] : std::vector<std::pair<uint32_t, uint32_t>>{
           {65535, 65535}, {65536, 1}, {1, 65536}, {20000, 20000}, {0xffffffff, 0xffffffff}}) {
    EXPECT_SDXL_ERROR(decode_image(gray_png(width, height, packed("")), "bomb.png"),
                      ExitStatus::kBadData, "bomb.png: not a readable image: a PNG, but its size");
  }
  EXPECT_SDXL_ERROR(decode_image(gray_png(0, 3, packed("")), "f"), ExitStatus::kBadData, "0x3");
  EXPECT_LT(std::clock() - start, CLOCKS_PER_SEC);
}

TEST(ImageDamage, RefusesDataThatInflatesBeyondTheImage) {
  const std::string bomb = gray_png(8, 8, packed(std::string(100 << 20, '\0')));
  EXPECT_SDXL_ERROR(decode_image(bomb, "bomb.png"), ExitStatus::kBadData, "bomb.png");
}

TEST(ImageDamage, RefusesAPngWhoseChecksumIsWrong) {
  std::string png = encode_png({4, 4, std::vector<uint8_t>(48, 9)});
  const size_t data = png.find("IDAT");
  png[data + 10] ^= 1;
  EXPECT_SDXL_ERROR(decode_image(png, "f"), ExitStatus::kBadData, "the checksum of its IDAT");
}

TEST(ImageDamage, NamesUnsupportedFormats) {
  const std::vector<std::pair<std::string, std::string>> kForeign = {
      {"GIF89a......", "a GIF, but its first frame is damaged or cut short"},
      {std::string("II*\0....", 8), "a TIFF, but it is damaged or cut short"},
      {std::string("\0\0\0\x1c"
                   "ftypavif....",
                   16),
       "an AVIF, but it is damaged or cut short"},
      {"\xff\x0a......", "it is a JPEG XL; convert it"},
      {std::string("\0\0\0\x18"
                   "ftypheic....",
                   16),
       "it is a HEIC"},
      {"8BPS....", "Photoshop"},
      {"<!DOCTYPE html><html>", "it is a web page"},
      {"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"},
      {"", "the file is empty"},
      {"hello", "neither PNG, JPEG, WebP, AVIF, TIFF, GIF nor BMP"}};
  for (const auto& [bytes, part] : kForeign) {
    EXPECT_SDXL_ERROR(decode_image(bytes, "a\nb.png"), ExitStatus::kBadData, part);
    EXPECT_SDXL_ERROR(image_size(bytes, "a\nb.png"), ExitStatus::kBadData,
                      "a\\x0Ab.png: not a readable image: ");
  }
  EXPECT_SDXL_ERROR(read_image("/nowhere/a.png"), ExitStatus::kFileError, "/nowhere/a.png");
}

}  // namespace
}  // namespace sdxl
