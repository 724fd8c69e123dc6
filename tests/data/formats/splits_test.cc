// Which files make a split: README.md, shard names, keywords.
#include "data/formats/splits.h"

#include <gmock/gmock.h>

#include "data/data_test_files.h"

namespace sdxl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Files = std::vector<std::string>;

Files train(const Files& files, const std::string& readme = "", const std::string& config = "") {
  return SplitRules(files, readme, config, "me/data").files("train");
}

TEST(Splits, ShardsInData) {
  EXPECT_THAT(
      train({"data/test-00000-of-00001-abc.parquet", "data/train-00001-of-00002.parquet",
             "data/train-00000-of-00002-0f.parquet", "README.md", ".gitattributes",
             "other.parquet"}),
      ElementsAre("data/train-00000-of-00002-0f.parquet", "data/train-00001-of-00002.parquet"));
}

TEST(Splits, KeywordsOfDirectoriesThenOfFiles) {
  EXPECT_THAT(train({"x/training/1.png", "x/val/2.png", "restraint/3.png"}),
              ElementsAre("x/training/1.png"));
  EXPECT_THAT(train({"my_train_1.png", "dev-1.png", "trainee.png"}), ElementsAre("my_train_1.png"));
  EXPECT_THAT(train({"b.png", "a/c.png", "strain.png"}),
              ElementsAre("a/c.png", "b.png", "strain.png"));
}

TEST(Splits, NothingOfTheSplitNamesTheOthers) {
  EXPECT_THAT(test::error_message([] {
                train({"test/1.png", "valid/2.png"});
              }),
              HasSubstr("but of test, validation"));
}

const char* const kReadme =
    "---\nlicense: mit\nconfigs:\n- config_name: small\n  data_files: part/a-*.parquet\n"
    "- config_name: full\n  default: true\n  data_files:\n  - split: train\n    path:\n    - "
    "'part/**'\n"
    "  - split: test\n    path: test.parquet\n- config_name: folder\n  data_dir: images\n---\n# "
    "Title\n---\n";
const Files kFiles = {"part/a-1.parquet", "part/a-2.parquet", "part/deep/b.parquet",
                      "test.parquet",     "images/x.png",     "images/metadata.jsonl"};

TEST(Splits, ConfigurationsInTheReadme) {
  EXPECT_THAT(train(kFiles, kReadme),
              ElementsAre("part/a-1.parquet", "part/a-2.parquet", "part/deep/b.parquet"));
  EXPECT_THAT(train(kFiles, kReadme, "small"), ElementsAre("part/a-1.parquet", "part/a-2.parquet"));
  EXPECT_THAT(train(kFiles, kReadme, "folder"),
              ElementsAre("images/metadata.jsonl", "images/x.png"));
  EXPECT_THAT(test::error_message([] { train(kFiles, kReadme, "big"); }),
              HasSubstr("small, full, folder, but not 'big'"));
}

TEST(Splits, SeveralConfigurationsWithoutADefault) {
  const char* readme =
      "---\nconfigs:\n- config_name: a\n  data_files: x\n- config_name: b\n  data_files: y\n---\n";
  EXPECT_THAT(test::error_message([&] {
                train({"x", "y"}, readme);
              }),
              HasSubstr("--dataset_config_name"));
}

TEST(Splits, ReadmeThatIsNoYamlIsAnError) {
  EXPECT_THAT(test::error_message([] { train({"a.png"}, "---\nconfigs: [\n---\n"); }),
              HasSubstr("README.md"));
  EXPECT_THAT(train({"a.png"}, "# Only a title\n"), ElementsAre("a.png"));
  EXPECT_THAT(train({"a.png"}, "---\nlicense: mit\n---\n"), ElementsAre("a.png"));
}

TEST(Splits, CaptionAndMetadataFilesComeWithThePictures) {
  const char* readme = "---\nconfigs:\n- config_name: default\n  data_files: 'img/*.png'\n---\n";
  EXPECT_THAT(train({"img/1.png", "img/1.txt", "img/metadata.csv", "else/metadata.csv"}, readme),
              ElementsAre("img/1.png", "img/1.txt", "img/metadata.csv"));
}

TEST(Splits, Patterns) {
  EXPECT_TRUE(matches_pattern("a/b/c.png", "**/*.png"));
  EXPECT_TRUE(matches_pattern("c.png", "**/*.png"));
  EXPECT_TRUE(matches_pattern("a/b/c.png", "a/**"));
  EXPECT_FALSE(matches_pattern("a/b/c.png", "a/*"));
  EXPECT_TRUE(matches_pattern("a-12.tar", "a-[0-9]?.{tar,zip}"));
  EXPECT_FALSE(matches_pattern("a-x2.tar", "a-[!x]?.tar"));
  EXPECT_TRUE(matches_pattern("data.csv", "./data.csv"));
  EXPECT_FALSE(matches_pattern("data.csv.gz", "data.csv"));
  EXPECT_FALSE(matches_pattern("a[", "[b"));
}

}  // namespace
}  // namespace sdxl
