// Training sets: what the check finds, what is left out, buckets.
#include "data/training_set.h"

#include <gmock/gmock.h>

#include "data/aspect_buckets.h"
#include "data/data_test_files.h"

namespace sdxl {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class Folder {
 public:
  void add(const std::string& name, const std::string& bytes, const std::string& caption = "x") {
    directory.write(name + ".png", bytes);
    directory.write(name + ".txt", caption);
  }
  TrainingSetOptions options(bool remembers = true) const {
    TrainingSetOptions options;
    options.dataset.path = directory.path().string();
    options.transform.resolution = 16;
    options.threads = 2;
    if (remembers) options.cache_directory = cache.path();
    return options;
  }
  TemporaryDirectory directory, cache;
};

const CheckFinding* finding(const TrainingSet& set, const std::string& what) {
  for (const CheckFinding& f : set.report.findings)
    if (f.what.find(what) != std::string::npos) return &f;
  return nullptr;
}

TEST(TrainingSet, FindsWhatMakesARunWorse) {
  for (const bool remembers : {true, false}) {
    Folder folder;
    folder.add("a", formula_png(20, 30));
    folder.add("b", formula_png(20, 30), "long caption");
    folder.add("c", formula_png(12, 40));
    folder.add("d", formula_png(20, 30, 7));
    TrainingSetOptions options = folder.options(remembers);
    options.truncates = [](const std::string& caption, const CacheKey&) {
      return caption.size() > 5;
    };
    const TrainingSet set = open_training_set(options);
    EXPECT_EQ(finding(set, "more than once")->count, 1);
    EXPECT_THAT(finding(set, "more than once")->examples[0], HasSubstr("b.png"));
    EXPECT_EQ(finding(set, "longer than the text encoders")->count, 1);
    EXPECT_THAT(finding(set, "enlarged")->examples[0], HasSubstr("c.png"));
    EXPECT_THAT(set.report.table(), HasSubstr("4 rows, 4 captions, pictures from 40x12 to 30x20"));
    EXPECT_TRUE(set.report.bad_rows.empty());
  }
}

/// Adds two good pictures, and a row of each kind that cannot be trained on.
void add_bad_rows(Folder& folder) {
  folder.add("a", formula_png(20, 30));
  folder.add("b", "not a picture");
  folder.add("c", formula_png(20, 31));
  folder.add("d", formula_png(16, 1).substr(0, 60));
  folder.add("e", formula_png(20, 30, 3), "\xff");
  folder.add("f", formula_png(20, 30, 4), "");
}

TEST(TrainingSet, RowsThatCannotBeTrainedOnEndTheRun) {
  Folder folder;
  add_bad_rows(folder);
  EXPECT_THAT(test::error_message([&] { open_training_set(folder.options()); }),
              AllOf(HasSubstr("1 picture that cannot be read, 1 row whose caption cannot be read, "
                              "1 row without a caption, the first: "),
                    HasSubstr("b.png"), HasSubstr("--on_bad_image skip")));
}

TEST(TrainingSet, SkippedRowsAreListed) {
  Folder folder;
  add_bad_rows(folder);
  for (const bool remembers : {true, false}) {
    TrainingSetOptions options = folder.options(remembers);
    options.skip_bad_rows = true;
    const TrainingSet set = open_training_set(options);
    EXPECT_EQ(set.dataset->size(), 2);
    EXPECT_THAT(set.dataset->name(1), HasSubstr("c.png"));
    EXPECT_EQ((*set.pictures)[1].width, 31u);
    std::vector<std::string> names;
    for (const LeftOut& row : set.report.left_out) names.push_back(fs::path(row.name).stem());
    EXPECT_THAT(names, ElementsAre("b", "d", "e", "f"));
    write_left_out(set.report, folder.cache / "left_out.jsonl");
    const std::string list = read_file(folder.cache / "left_out.jsonl");
    EXPECT_THAT(list, HasSubstr("f.png\",\"reason\":"));
    EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), 4);
  }
}

TEST(TrainingSet, SkippingDrawsTheOthersEquallyOften) {
  for (const bool bucketing : {true, false}) {
    Folder folder;
    add_bad_rows(folder);
    TrainingSetOptions options = folder.options();
    options.skip_bad_rows = true;
    options.bucketing = bucketing;
    options.group = 2;
    const TrainingSet set = open_training_set(options);
    std::map<int64_t, int> draws;
    for (int64_t draw = 0; draw < 20; ++draw) ++draws[set.source->sample(draw).row];
    EXPECT_THAT(draws, ElementsAre(Pair(0, 10), Pair(1, 10)));
  }
}

TEST(TrainingSet, LongPicturesAreKnownBeforehand) {
  Folder folder;
  folder.add("a", formula_png(20, 30));
  folder.add("b", formula_png(1, 3000));
  TrainingSetOptions options = folder.options();
  options.transform.resolution = 1024;
  EXPECT_THAT(test::error_message([&] { open_training_set(options); }),
              HasSubstr("1 picture too long to resize, the first: "));
  options.skip_bad_rows = true;
  EXPECT_EQ(open_training_set(options).dataset->size(), 1);
}

TEST(TrainingSet, NothingLeftIsAnError) {
  Folder folder;
  folder.add("a", "not a picture");
  TrainingSetOptions options = folder.options();
  options.skip_bad_rows = true;
  EXPECT_THAT(test::error_message([&] { open_training_set(options); }),
              HasSubstr("no row of the data set can be trained on: 1 picture that cannot be read"));
}

TEST(TrainingSet, EmptyCaptionsAreCounted) {
  TemporaryDirectory d;
  d.write("a.png", formula_png(20, 30));
  d.write("metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"\"}\n");
  TrainingSetOptions options;
  options.dataset = in(d);
  options.transform.resolution = 16;
  EXPECT_EQ(finding(open_training_set(options), "empty captions")->text(), "1 empty caption");
}

TEST(TrainingSet, FingerprintDependsOnPicturesAndCaptionsAlone) {
  Folder folder, other;
  for (Folder* f : {&folder, &other}) f->add("a", formula_png(20, 30));
  const std::string before = open_training_set(folder.options()).fingerprint();
  EXPECT_EQ(before, open_training_set(other.options()).fingerprint());
  other.add("a", formula_png(20, 30), "y");
  EXPECT_NE(before, open_training_set(other.options()).fingerprint());
  folder.add("a", formula_png(20, 30, 1));
  EXPECT_NE(before, open_training_set(folder.options()).fingerprint());
}

TEST(TrainingSet, PicturesAreReadOnceUntilTheyChange) {
  Folder folder;
  for (int i = 0; i < 5; ++i) folder.add(std::to_string(i), formula_png(20, 20 + i));
  const TrainingSet first = open_training_set(folder.options());
  const auto remembered = PictureTable::open_cache(folder.cache.path());
  EXPECT_EQ(remembered->statistics().values, 5);
  folder.add("2", formula_png(40, 22, 3));
  const TrainingSet second = open_training_set(folder.options());
  EXPECT_EQ((*second.pictures)[2].height, 40u);
  EXPECT_EQ((*second.pictures)[3].content, (*first.pictures)[3].content);
  EXPECT_FALSE((*second.pictures)[2].content == (*first.pictures)[2].content);
}

TEST(TrainingSet, BucketsKeepTheShape) {
  Folder folder;
  for (int i = 0; i < 12; ++i)
    folder.add(std::to_string(100 + i), formula_png(i % 3 ? 64 : 140, i % 3 ? 130 : 70, i));
  TrainingSetOptions options = folder.options();
  options.transform.resolution = 64;
  options.bucketing = true;
  options.group = 4;
  const TrainingSet set = open_training_set(options);
  for (int64_t group = 0; group < 20; ++group) {
    std::vector<Sample> samples;
    for (int64_t k = 0; k < 4; ++k) samples.push_back(set.source->sample(group * 4 + k));
    const Batch batch = collate(samples);
    EXPECT_EQ(batch.time_ids[0][4].item<float>(), static_cast<float>(batch.pixels.size(2)));
    EXPECT_EQ(batch.time_ids[0][5].item<float>(), static_cast<float>(batch.pixels.size(3)));
    EXPECT_NE(batch.pixels.size(2), batch.pixels.size(3));
  }
}

TEST(AspectBuckets, AreOfTheResolutionsArea) {
  const std::vector<PixelSize> buckets = aspect_buckets(1024);
  for (const PixelSize& b : buckets) {
    EXPECT_EQ(b.height % 64 + b.width % 64, 0);
    EXPECT_LE(b.height * b.width, 1024 * 1024);
    EXPECT_GE(std::min(b.height, b.width), 512);
  }
  EXPECT_EQ(buckets[nearest_bucket(buckets, {1000, 1000})], (PixelSize{1024, 1024}));
  EXPECT_EQ(buckets[nearest_bucket(buckets, {1080, 1920})], (PixelSize{768, 1344}));
  EXPECT_EQ(buckets[nearest_bucket(buckets, {3000, 2000})], (PixelSize{1216, 832}));
  EXPECT_EQ(buckets[nearest_bucket(buckets, {100, 9000})], (PixelSize{512, 2048}));
}

TEST(AspectBuckets, SmallResolutionsHaveSmallerSteps) {
  EXPECT_GT(aspect_buckets(64).size(), 3u);
  EXPECT_EQ(aspect_buckets(8), (std::vector<PixelSize>{{8, 8}}));
}

}  // namespace
}  // namespace sdxl
