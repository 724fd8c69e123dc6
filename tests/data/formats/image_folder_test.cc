// Image folders: metadata files and caption files, and what is wrong with them.
#include "data/formats/registry.h"

#include <gmock/gmock.h>

#include "data/data_test_files.h"
#include "data/formats/file_list.h"
#include "data/formats/metadata_file.h"

namespace sdxl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
  EXPECT_THAT(first_captions(*open_dataset(options)), ElementsAre("red, round", ""));
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

TEST(ImageFolder, MissingPicturesAreAnErrorOrSkipped) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png"});
  d.write("metadata.jsonl",
          "{\"file_name\": \"gone.png\", \"text\": \"x\"}\n{\"file_name\": \"a.png\", \"text\": "
          "\"y\"}\n");
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }), HasSubstr("gone.png"));
  DatasetOptions options = in(d);
  options.skip_bad_rows = true;
  const auto dataset = open_dataset(options);
  EXPECT_THAT(first_captions(*dataset), ElementsAre("y"));
  EXPECT_THAT(dataset->notes(), ElementsAre(HasSubstr("1 picture named by metadata is missing")));
}

TEST(ImageFolder, RowsWithoutCaptionAreAnErrorOrSkipped) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png", "b.png"});
  d.write(
      "metadata.jsonl",
      "{\"file_name\": \"a.png\", \"text\": null}\n{\"file_name\": \"b.png\", \"text\": \"y\"}\n");
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }),
              HasSubstr("1 row has no caption, the first"));
  DatasetOptions options = in(d);
  options.skip_bad_rows = true;
  EXPECT_THAT(first_captions(*open_dataset(options)), ElementsAre("y"));
}

TEST(ImageFolder, NoCaptionsAtAllNamesTheColumns) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png"});
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }), HasSubstr("no captions"));
  d.write("metadata.jsonl", "{\"file_name\": \"a.png\", \"prompt\": \"x\"}\n");
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }),
              HasSubstr("prompt; name it with --caption_column"));
}

TEST(ImageFolder, LinesThatAreNearlyJsonAreRefused) {
  for (const char* line : {"\v{\"file_name\": \"a.png\", \"text\": \"t\"}",
                           "{\"file_name\": \"a.png\", \"text\": \"t\",}",
                           "{\"file_name\": \"a.png\", \"text\": \"t\"} x",
                           "{\"file_name\": \"a.png\", \"text\": \"\t\"}",
                           "{\"file_name\": \"a.png\", \"text\": \"t\", \"text\": \"u\"}",
                           "{\"file_name\": \"a.png\", \"text\": \"\xff\"}"}) {
    TemporaryDirectory d;
    write_pictures(d, {"a.png"});
    d.write("metadata.jsonl", line);
    EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }), HasSubstr("line 1")) << line;
  }
}

TEST(ImageFolder, UnreadableMetadataNamesTheLine) {
  TemporaryDirectory d;
  write_pictures(d, {"a.png"});
  d.write("metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"x\"}\n{\"file_name\": \n");
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }),
              HasSubstr("metadata.jsonl line 2"));
  d.write("metadata.jsonl", "{\"text\": \"x\"}\n");
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }), HasSubstr("'file_name'"));
  fs::remove(d / "metadata.jsonl");
  d.write("metadata.csv", "file_name,text\na.png,one,two\n");
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }), HasSubstr("line 2' has 3 fields"));
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

TEST(ImageFolder, FormatsThatAreNotReadAreNamed) {
  TemporaryDirectory d;
  write_pictures(d, {"a.tiff"});
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }), HasSubstr("'a.tiff'"));
  write_pictures(d, {"b.png"});
  d.write("metadata.jsonl", "{\"file_name\": \"a.tiff\", \"text\": \"x\"}\n");
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }), HasSubstr("convert it to PNG"));
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
