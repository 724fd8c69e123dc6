// What is known of captions before any is encoded.
#include "data/caption_table.h"

#include <gmock/gmock.h>

#include "data/cache/prompt_cache.h"
#include "data/data_test_files.h"
#include "data/formats/registry.h"

namespace sdxl {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

std::vector<std::pair<int, int>> places(const CaptionTable& table) {
  std::vector<std::pair<int, int>> result;
  for (const CaptionInfo& caption : table.captions()) {
    result.emplace_back(caption.row, caption.number);
  }
  return result;
}

class Listed : public testing::Test {
 protected:
  void SetUp() override {
    directory.write("a.png", "picture");
    directory.write("metadata.jsonl",
                    "{\"file_name\": \"a.png\", \"text\": [\"one\", \"two\", \"three\"]}\n"
                    "{\"file_name\": \"a.png\", \"text\": \"four\"}\n"
                    "{\"file_name\": \"a.png\", \"text\": [\"two\", \"three\"]}\n");
    DatasetOptions options;
    options.path = directory.path().string();
    dataset = open_dataset(options);
  }
  TemporaryDirectory directory;
  std::unique_ptr<Dataset> dataset;
};

TEST_F(Listed, CaptionsAreInTheOrderOfRowsAndLists) {
  const CaptionTable table(*dataset, {}, 2);
  EXPECT_THAT(places(table),
              ElementsAre(Pair(0, 0), Pair(0, 1), Pair(0, 2), Pair(1, 0), Pair(2, 0), Pair(2, 1)));
  EXPECT_EQ(table.captions()[3].key, PromptCache::key("four"));
}

TEST_F(Listed, CaptionsThatLoseWordsAreMarked) {
  const auto is_long = [](const std::string& caption, const CacheKey& key) {
    return caption.size() > 4 && key == PromptCache::key(caption);
  };
  std::vector<uint32_t> marks;
  const CaptionTable table(*dataset, is_long, 1);
  for (const CaptionInfo& caption : table.captions()) marks.push_back(caption.is_truncated);
  EXPECT_THAT(marks, ElementsAre(0, 0, 1, 0, 0, 1));
}

TEST_F(Listed, SelectedRowsAreCountedAnew) {
  const CaptionTable table = CaptionTable(*dataset, {}, 1).select({1, 2});
  EXPECT_THAT(places(table), ElementsAre(Pair(0, 0), Pair(1, 0), Pair(1, 1)));
}

}  // namespace
}  // namespace sdxl
