// Image folders: metadata files and caption files, and what is wrong with them.
#include "data/formats/registry.h"

#include <gmock/gmock.h>

#include "data/data_test_files.h"
#include "data/formats/file_tree.h"
#include "data/formats/metadata_file.h"

namespace sdxl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> first_captions(const Dataset& dataset) {
  std::vector<std::string> result;
  for (int64_t i = 0; i < dataset.size(); ++i) result.push_back(dataset.captions(i).at(0));
  return result;
}

void write_pictures(const TemporaryDirectory& d, const std::vector<std::string>& names) {
  for (const std::string& name : names) d.write(name, "picture " + name);
}

TEST(ImageFolder, RowsAreOrderedAsInTheMetadataFile) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png", "b/c.jpg"});
  d.write("metadata.jsonl",
          "{\"file_name\": \"b/c.jpg\", \"text\": [\"one\", \"two\"]}\n\n{\"text\": \"\", "
          "\"file_name\": \"./a.png\"}");
  const auto dataset = open_dataset(in(d));
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_THAT(dataset->captions(0), ElementsAre("one", "two"));
  EXPECT_THAT(dataset->captions(1), ElementsAre(""));
  EXPECT_EQ(dataset->image_bytes(0), "picture b/c.jpg");
  EXPECT_EQ(dataset->name(1), (d / "a.png").string());
  EXPECT_EQ(dataset->image_length(1), 13u);
}

TEST(ImageFolder, LinesWithEscapesNumbersOrAccentsAreReadAlike) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png", "é.png"});
  d.write("metadata.jsonl",
          "\t{ \"file_name\" : \"a.png\",\"text\":\"a \\\"red\\\" ball\"}\r\n"
          "{\"file_name\":\"a.png\", \"text\":\"plain, {with} [signs]:\"} \n"
          "{\"n\": 3, \"file_name\": \"a.png\", \"text\": \"beside a number\"}\n"
          "{\"file_name\": \"é.png\", \"text\": \"été\"}\n"
          "{\"file_name\": \"\\u00e9.png\", \"text\": \"\\u00e9t\\u00e9\"}\n");
  EXPECT_THAT(
      first_captions(*open_dataset(in(d))),
      ElementsAre("a \"red\" ball", "plain, {with} [signs]:", "beside a number", "été", "été"));
}

TEST(ImageFolder, PathsAreInTheOrderOfTheirBytes) {
  TemporaryDirectory d;
  for (const char* name : {"a", "a-b", "a.b", "b"}) d.write(std::string(name) + "/x.png", "");
  write_pictures(d, {"a-.png", "aa.png", "a0.png"});
  EXPECT_THAT(list_files(d.path()), ElementsAre("a-.png", "a-b/x.png", "a.b/x.png", "a/x.png",
                                                "a0.png", "aa.png", "b/x.png"));
}

TEST(ImageFolder, CsvWithItsOwnColumnNames) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png", "b.png"});
  d.write("metadata.csv", "id,photo_file_name,prompt\n1,b.png,\"red, round\"\n2,a.png,\n");
  DatasetOptions options = in(d);
  options.image_column = "photo";
  options.caption_column = "prompt";
  const auto dataset = open_dataset(options);
  EXPECT_THAT(dataset->captions(0), ElementsAre("red, round"));
  EXPECT_THAT(dataset->captions(1), IsEmpty());
}

TEST(ImageFolder, CaptionFilesInNestedDirectoriesByThePathsBytes) {
  TemporaryDirectory d;
  write_pictures(d, {"b.png", "a/z.webp", "a.png", "Z.JPG"});
  for (const char* name : {"b.txt", "a/z.caption", "a.txt", "Z.txt"})
    d.write(name, std::string(name) + "\n");
  EXPECT_THAT(first_captions(*open_dataset(in(d))),
              ElementsAre("Z.txt", "a.txt", "a/z.caption", "b.txt"));
}

TEST(ImageFolder, MetadataOfANestedDirectoryIsRelativeToIt) {
  TemporaryDirectory d;
  write_pictures(d, {"one/a.png", "two/a.png"});
  d.write("two/metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"second\"}\n");
  d.write("one/metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"first\"}\n");
  const auto dataset = open_dataset(in(d));
  EXPECT_THAT(first_captions(*dataset), ElementsAre("first", "second"));
  EXPECT_EQ(dataset->name(1), (d / "two/a.png").string());
}

TEST(ImageFolder, UnlistedPicturesAreCounted) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png", "b.png", "c.png", ".hidden.png", "__x/d.png"});
  d.write("metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"x\"}\n");
  EXPECT_THAT(open_dataset(in(d))->notes(),
              ElementsAre("2 pictures that no metadata file names are left out"));
}

TEST(ImageFolder, RowsOfMissingPicturesStay) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png"});
  d.write("metadata.jsonl",
          "{\"file_name\": \"gone.png\", \"text\": \"x\"}\n{\"file_name\": \"a.png\", \"text\": "
          "\"y\"}\n");
  const auto dataset = open_dataset(in(d));
  EXPECT_THAT(first_captions(*dataset), ElementsAre("x", "y"));
  EXPECT_THAT(test::error_message([&] { dataset->image_bytes(0); }, ExitStatus::kFileError),
              HasSubstr("gone.png"));
}

TEST(ImageFolder, RowsWithoutCaptionStay) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png", "b.png"});
  d.write(
      "metadata.jsonl",
      "{\"file_name\": \"a.png\", \"text\": null}\n{\"file_name\": \"b.png\", \"text\": \"y\"}\n");
  const auto dataset = open_dataset(in(d));
  EXPECT_THAT(dataset->captions(0), IsEmpty());
  EXPECT_THAT(dataset->captions(1), ElementsAre("y"));
}

TEST(ImageFolder, NoCaptionsAtAllNamesTheColumns) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png"});
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }), HasSubstr("no captions"));
  d.write("metadata.jsonl", "{\"file_name\": \"a.png\", \"prompt\": \"x\"}\n");
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }),
              HasSubstr("prompt; name it with --caption_column"));
}

/// The reason of the one row that cannot be used.
std::string unusable(const TemporaryDirectory& d) {
  const auto dataset = open_dataset(in(d));
  EXPECT_EQ(dataset->unusable().size(), 1u);
  return dataset->unusable().empty() ? "" : dataset->unusable().front().reason;
}

TEST(ImageFolder, LinesThatAreNearlyJsonAreUnusable) {
  const std::string good = "{\"file_name\": \"a.png\", \"text\": \"good\"}\n";
  for (const char* line : {"\v{\"file_name\": \"a.png\", \"text\": \"t\"}",
                           "{\"file_name\": \"a.png\", \"text\": \"t\",}",
                           "{\"file_name\": \"a.png\", \"text\": \"\t\"}",
                           "{\"file_name\": \"a.png\", \"text\": \"t\", \"text\": \"u\"}",
                           "{\"file_name\": \"a.png\", \"text\": \"\xff\"}",
                           "{\"file_name\": \"a.png\", \"text\": nan}",
                           "[{\"file_name\": \"a.png\", \"text\": \"t\"}]",
                           "{\"file_names\": [\"a.png\"], \"text\": \"t\"}", "x"}) {
    TemporaryDirectory d;
    write_pictures(d, {"a.png"});
    d.write("metadata.jsonl", good + line + "\n" + good);
    EXPECT_THAT(unusable(d), HasSubstr("metadata.jsonl line 2")) << line;
    EXPECT_THAT(first_captions(*open_dataset(in(d))), ElementsAre("good", "good"));
  }
}

TEST(ImageFolder, RowsThatNameNoPictureAreUnusable) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png"});
  const std::string good = "{\"file_name\": \"a.png\", \"text\": \"x\"}\n";
  d.write("metadata.jsonl", good + "{\"file_name\": \n");
  EXPECT_THAT(unusable(d), HasSubstr("metadata.jsonl line 2"));
  d.write("metadata.jsonl", good + "{\"text\": \"x\"}\n");
  EXPECT_THAT(unusable(d), HasSubstr("'file_name'"));
  fs::remove(d / "metadata.jsonl");
  d.write("metadata.csv", "file_name,text\na.png,x\na.png,one,two\n");
  EXPECT_THAT(unusable(d), HasSubstr("line 3 has 3 fields"));
  d.write("metadata.csv", "file_name,text\na.png,x\n,one\n");
  EXPECT_THAT(unusable(d), HasSubstr("line 3 names no picture"));
  d.write("metadata.csv", "file_name,text\na.png,x\na.png,\xe9\n");
  EXPECT_THAT(unusable(d), HasSubstr("line 3 is not UTF-8"));
}

TEST(ImageFolder, EmptyRowsOfASpreadsheetAreCounted) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png"});
  d.write("metadata.csv", "file_name,text\n,\na.png,x\n, \n");
  const auto dataset = open_dataset(in(d));
  EXPECT_EQ(dataset->size(), 1);
  EXPECT_THAT(dataset->notes(), ElementsAre(HasSubstr("2 empty rows of")));
}

TEST(ImageFolder, SemicolonsBetweenFieldsAreNamed) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png"});
  d.write("metadata.csv", "file_name;text\na.png;x\n");
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }),
              HasSubstr("commas between the fields"));
}

TEST(ImageFolder, NamesThatLeadOutsideAreRefused) {
  for (const char* name : {"../a.png", "/etc/a.png", "b/../../a.png", "http://x/a.png", "", ".."})
    EXPECT_THAT(test::error_message([&] { resolve_file_name("", name, "metadata.jsonl"); }),
                HasSubstr("metadata.jsonl"));
  EXPECT_THAT(
      test::error_message([] { resolve_file_name("", std::string_view("a\0.png", 6), "m"); }),
      HasSubstr("NUL"));
  EXPECT_EQ(resolve_file_name("sub", "x/../a.png", "m"), "sub/a.png");
}

TEST(ImageFolder, TwoKindsOfMetadataAreRefused) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png"});
  d.write("metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"x\"}\n");
  d.write("metadata.csv", "file_name,text\na.png,x\n");
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }), HasSubstr(".csv, .jsonl"));
}

TEST(ImageFolder, CaptionedPicturesOfUnreadFormatsAreRows) {
  TemporaryDirectory d;
  write_pictures(d, {"a.heic", "b.png", "c.jxl", "d.tif"});
  for (const char* name : {"a.txt", "b.txt", "d.TXT"}) d.write(name, name);
  const auto dataset = open_dataset(in(d));
  EXPECT_THAT(first_captions(*dataset), ElementsAre("a.txt", "b.txt", "d.TXT"));
  EXPECT_THAT(dataset->notes(),
              ElementsAre("1 file of formats that are not read is left out, such as 'c.jxl'"));
}

TEST(ImageFolder, DeadLinksAreRows) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png"});
  d.write("a.txt", "a");
  d.write("b.txt", "b");
  fs::create_symlink("/nowhere/b.png", d / "b.png");
  const auto dataset = open_dataset(in(d));
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_THAT(test::error_message([&] { dataset->image_bytes(1); }, ExitStatus::kFileError),
              HasSubstr("b.png"));
}

TEST(ImageFolder, EmptyCaptionFilesAreNoCaptions) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png", "b.png", "c.png"});
  d.write("a.txt", " \n");
  d.write("b.txt", "b");
  d.write("stray.txt", "of no picture");
  const auto dataset = open_dataset(in(d));
  ASSERT_EQ(dataset->size(), 3);
  EXPECT_THAT(dataset->captions(0), IsEmpty());
  EXPECT_THAT(dataset->captions(2), IsEmpty());
  EXPECT_THAT(dataset->notes(),
              ElementsAre("1 caption file without a picture beside it is left out, such as "
                          "'stray.txt'"));
}

TEST(ImageFolder, RowsOfOtherSplitsAreLeftOut) {
  TemporaryDirectory d;
  write_pictures(d, {"train/0.png", "train/1.png", "test/2.png"});
  std::string rows;
  for (const char* name : {"train/0.png", "test/2.png", "test/gone.png", "train/1.png"}) {
    rows += std::string("{\"file_name\": \"") + name + "\", \"text\": \"" + name + "\"}\n";
  }
  d.write("metadata.jsonl", rows);
  const auto dataset = open_dataset(in(d));
  EXPECT_THAT(first_captions(*dataset), ElementsAre("train/0.png", "train/1.png"));
  EXPECT_THAT(dataset->notes(),
              ElementsAre("2 rows of other splits are left out, such as 'test/2.png'"));
  DatasetOptions options = in(d);
  options.whole_directory = true;
  EXPECT_EQ(open_dataset(options)->size(), 4);
}

TEST(ImageFolder, SubsetIsTheFirstOfThePermutation) {
  for (const Json& json : transform_reference()["orders"]) {
    if (json["size"] > 100) continue;
    TemporaryDirectory d;
    for (int i = 0; i < json["size"]; ++i) {
      const std::string stem = std::to_string(1000 + i);
      write_pictures(d, {stem + ".png"});
      d.write(stem + ".txt", std::to_string(i));
    }
    DatasetOptions options = in(d);
    options.max_samples = 3;
    options.seed = json["seed"];
    std::vector<std::string> expected;
    for (const Json& row : json["subset"]) expected.push_back(std::to_string(row.get<int>()));
    EXPECT_EQ(first_captions(*open_dataset(options)), expected);
  }
}

TEST(ImageFolder, StampChangesWithTheFile) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png"});
  d.write("a.txt", "x");
  const auto dataset = open_dataset(in(d));
  const std::string before = dataset->stamp(0);
  EXPECT_EQ(before, dataset->stamp(0));
  d.write("a.png", "another picture");
  EXPECT_NE(before, dataset->stamp(0));
}

}  // namespace
}  // namespace sdxl
