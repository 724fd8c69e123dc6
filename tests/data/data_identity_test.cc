// Recognising a data set by what it holds.
#include "data/data_identity.h"

#include <gtest/gtest.h>

#include "data/data_test_files.h"

namespace sdxl {
namespace {

/// Two captioned pictures in a folder.
class IdentifiedFolder {
 public:
  IdentifiedFolder() {
    write_picture("a", 1);
    write_picture("b", 2);
    directory.write("a.txt", "a cat");
    directory.write("b.txt", "a dog");
  }
  void write_picture(const std::string& name, int seed) {
    directory.write(name + ".png", formula_png(20, 30, seed));
  }
  DataIdentity identity(bool reads_content = true) const {
    TrainingSetOptions options;
    options.dataset.path = directory.path().string();
    options.transform.resolution = 16;
    if (reads_content) options.cache_directory = cache.path();
    return DataIdentity::of(open_training_set(options));
  }
  TemporaryDirectory directory, cache;
};

TEST(DataIdentity, IsThatOfTheSameFilesElsewhere) {
  EXPECT_TRUE(IdentifiedFolder().identity().matches(IdentifiedFolder().identity()));
}

TEST(DataIdentity, ChangesWithThePixelsOfAPicture) {
  IdentifiedFolder other;
  other.write_picture("b", 3);
  EXPECT_FALSE(IdentifiedFolder().identity().matches(other.identity()));
}

TEST(DataIdentity, ChangesWithACaptionThoughNoPictureIsRead) {
  IdentifiedFolder other;
  other.directory.write("b.txt", "a wolf");
  EXPECT_FALSE(IdentifiedFolder().identity(false).matches(other.identity(false)));
}

TEST(DataIdentity, IsKnownWithoutReadingPictures) {
  const IdentifiedFolder pictures;
  EXPECT_EQ(pictures.identity(false).content, "");
  EXPECT_TRUE(pictures.identity(false).matches(pictures.identity(true)));
}

TEST(DataIdentity, IsReadBackFromJson) {
  const DataIdentity identity = IdentifiedFolder().identity();
  const DataIdentity read = DataIdentity::from_json(identity.json(), "test");
  EXPECT_EQ(read.content, identity.content);
  EXPECT_TRUE(read.matches(identity));
}

}  // namespace
}  // namespace sdxl
