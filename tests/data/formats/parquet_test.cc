// Parquet files that pyarrow wrote (tools/reference/datasets.py).
#include "data/formats/format.h"
#include "data/formats/registry.h"

#include <gmock/gmock.h>

#include <thread>

#include "data/data_test_files.h"
#include "data/formats/parquet_reader.h"

namespace sdxl {

OpenFormat open_parquet;

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

fs::path reference(const std::string& name) { return fs::path(SDXL_TEST_DATA) / "parquet" / name; }

std::string picture(int64_t i) {
  std::string bytes;
  for (int64_t k = 0; k < 1 + 7 * i % 50; ++k) bytes += std::to_string(i) + ",";
  return bytes;
}

FormatFiles only(const fs::path& root, const std::string& name) {
  return {std::make_shared<FileTree>(root, std::vector{name}), nullptr};
}

std::unique_ptr<Dataset> open(const std::string& name, DatasetOptions options = {}) {
  options.path = reference("").string();
  return open_parquet(only(reference(""), name), options);
}

TEST(Parquet, AnyRowOfAnyOrderOfPages) {
  for (const char* name : {"snappy.parquet", "indexed.parquet"}) {
    const auto dataset = open(name);
    ASSERT_EQ(dataset->size(), 35);
    for (int64_t k = 0; k < 70; ++k) {
      const int64_t row = k * 13 % 35;
      EXPECT_EQ(dataset->image_bytes(row), picture(row)) << name << " " << row;
      EXPECT_THAT(dataset->captions(row), ElementsAre("caption " + std::to_string(row % 6)));
    }
  }
}

TEST(Parquet, ListsOfCaptionsAndColumnsByName) {
  DatasetOptions options;
  options.image_column = "picture";
  options.caption_column = "captions";
  const auto dataset = open("lists.parquet", options);
  for (const int64_t row : {33, 0, 12}) {
    EXPECT_THAT(dataset->captions(row), ElementsAre("a " + std::to_string(row), "b"));
    EXPECT_EQ(dataset->image_bytes(row), picture(row));
  }
  EXPECT_TRUE(dataset->captions(1).empty());
  EXPECT_TRUE(dataset->captions(2).empty());
  options.image_column = "nested";
  EXPECT_EQ(open("lists.parquet", options)->image_bytes(7), picture(7));
}

TEST(Parquet, LargeTypes) {
  const auto dataset = open("large.parquet");
  EXPECT_EQ(dataset->image_bytes(34), picture(34));
  EXPECT_THAT(dataset->captions(3), ElementsAre("c 3"));
}

TEST(Parquet, PicturesByPathAndNullCaptions) {
  const auto dataset = open("paths.parquet");
  EXPECT_EQ(dataset->image_bytes(0), picture(0));
  EXPECT_THAT(test::error_message([&] { dataset->image_bytes(3); }, ExitStatus::kFileError),
              HasSubstr("pictures/3.png"));
  EXPECT_TRUE(dataset->captions(1).empty());
  EXPECT_THAT(dataset->captions(2), ElementsAre(""));
}

TEST(Parquet, ShardsOfASplitOneAfterTheOther) {
  DatasetOptions options;
  options.path = reference("hub").string();
  const auto dataset = open_dataset(options);
  ASSERT_EQ(dataset->size(), 8);
  for (int64_t row = 0; row < 8; ++row) EXPECT_EQ(dataset->image_bytes(row), picture(row));
  EXPECT_THAT(dataset->name(6), HasSubstr("train-00001-of-00002-abcdef.parquet row 1"));
  EXPECT_NE(dataset->stamp(0), dataset->stamp(1));
  EXPECT_NE(dataset->stamp(0), dataset->stamp(5));
}

TEST(Parquet, MissingColumnsNameWhatThereIs) {
  DatasetOptions options;
  options.caption_column = "prompt";
  EXPECT_THAT(
      test::error_message([&] { open("snappy.parquet", options); }),
      HasSubstr("no column 'prompt' of texts; its columns: image, text, n (--caption_column)"));
  options = {};
  options.image_column = "n";
  EXPECT_THAT(test::error_message([&] { open("snappy.parquet", options); }),
              HasSubstr("--image_column"));
}

TEST(Parquet, ThreadsReadTheSameFile) {
  const auto dataset = open("snappy.parquet");
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int64_t k = 0; k < 300; ++k) {
        const int64_t row = (k * 17 + t * 5) % 35;
        EXPECT_EQ(dataset->image_bytes(row), picture(row));
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(Parquet, MetadataOfAnImageFolder) {
  TemporaryDirectory d;
  d.write("a.png", "A");
  d.write("b.png", "B");
  fs::copy_file(reference("metadata.parquet"), d / "metadata.parquet");
  DatasetOptions options;
  options.path = d.path().string();
  const auto dataset = open_dataset(options);
  EXPECT_EQ(dataset->image_bytes(0), "B");
  EXPECT_THAT(dataset->captions(0), ElementsAre("second"));
  EXPECT_THAT(dataset->captions(1), ElementsAre("first"));
}

// Whatever a damaged file holds, it ends in an Error or in a value.
TEST(Parquet, DamagedFilesAreErrors) {
  TemporaryDirectory d;
  uint64_t state = 12345;
  const auto random = [&](uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  const char* all = std::getenv("SDXL_MANY_MUTATIONS");
  const int rounds = all ? std::atoi(all) : 60;
  for (int round = 0; round < rounds; ++round) {
    const char* name = round % 2 ? "snappy.parquet" : "indexed.parquet";
    std::string bytes = read_file(reference(name));
    for (uint64_t k = 0; k <= random(8); ++k)
      bytes[random(bytes.size())] = static_cast<char>(random(256));
    if (round % 7 == 0) bytes.resize(random(bytes.size()));
    d.write("damaged.parquet", bytes);
    try {
      const auto dataset = open_parquet(only(d.path(), "damaged.parquet"), {});
      for (int64_t row = 0; row < std::min<int64_t>(dataset->size(), 40); ++row) {
        dataset->image_bytes(row);
        dataset->captions(row);
      }
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace sdxl
