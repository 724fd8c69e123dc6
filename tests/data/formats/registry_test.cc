// Whole data sets, against what `datasets` reads of them (tools/reference/data_sets.py).
#include "data/formats/registry.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>

#include "data/data_test_files.h"

namespace sdxl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Members = std::vector<std::pair<std::string, std::string>>;

/// Writes members to an archive of libarchive's format "zip" or "ustar".
void write_archive(const fs::path& path, const char* format, const Members& members) {
  archive* out = archive_write_new();
  archive_write_set_format_by_name(out, format);
  ASSERT_EQ(archive_write_open_filename(out, path.c_str()), ARCHIVE_OK);
  for (const auto& [name, content] : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, std::ssize(content));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_write_header(out, entry);
    archive_write_data(out, content.data(), content.size());
    archive_entry_free(entry);
  }
  archive_write_free(out);
}

void write_files(const TemporaryDirectory& d, const Json& files) {
  for (const auto& [name, content] : files.items()) {
    d.write(name, content.is_string() ? content.get<std::string>() : "");
    if (content.contains("zip")) write_archive(d / name, "zip", content["zip"].get<Members>());
    if (content.contains("tar")) write_archive(d / name, "ustar", content["tar"].get<Members>());
  }
}

/// Number of the picture and caption of each row, in an order that does not depend on the files'.
Json rows_of(const Dataset& dataset) {
  std::vector<std::pair<int, std::string>> rows;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const std::vector<std::string> captions = dataset.captions(i);
    rows.emplace_back(std::stoi(dataset.image_bytes(i).substr(std::string("picture ").size())),
                      captions.empty() ? "none" : captions.front());
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

Json sorted_reference(const Json& rows) {
  std::vector<std::pair<int, std::string>> result;
  for (const Json& row : rows) {
    result.emplace_back(row[0], row[1].is_null() ? "none" : row[1].get<std::string>());
  }
  std::sort(result.begin(), result.end());
  return result;
}

TEST(Registry, ReadsWhatDatasetsReads) {
  const Json cases = read_json(fs::path(SDXL_TEST_DATA) / "data_sets.json");
  EXPECT_GT(cases.size(), 50u);
  for (const Json& item : cases) {
    TemporaryDirectory d;
    write_files(d, item["files"]);
    DatasetOptions options = in(d);
    options.whole_directory = item["whole_directory"];
    SCOPED_TRACE(item["name"].get<std::string>());
    EXPECT_EQ(rows_of(*open_dataset(options)), sorted_reference(item["rows"]));
  }
}

const Json kFolder = {{"0.png", "picture 0"},
                      {"metadata.jsonl", "{\"file_name\": \"0.png\", \"text\": \"t\"}\n"}};

TEST(Registry, SaysWhatIsChosenAndWhatIsLeft) {
  TemporaryDirectory d;
  write_files(d, kFolder);
  d.write("old/a.tar.gz", "");
  d.write("old/b.parquet", "");
  DatasetOptions options = in(d);
  options.whole_directory = true;
  EXPECT_THAT(open_dataset(options)->notes(),
              ElementsAre(HasSubstr("is read as an image folder; 2 files of other formats are left "
                                    "out, such as 'old/a.tar.gz'")));
}

TEST(Registry, PicturesWithoutCaptionsHideNothing) {
  TemporaryDirectory d;
  for (const char* name : {"a.png", "b.png", "c.png"}) d.write(name, "cover");
  write_archive(d / "0.tar", "ustar", {{"0.jpg", "picture 0"}, {"0.txt", "t"}});
  const auto dataset = open_dataset(in(d));
  EXPECT_EQ(dataset->image_bytes(0), "picture 0");
  EXPECT_THAT(dataset->notes(), ElementsAre(HasSubstr("a WebDataset of tar files; 3 files")));
}

TEST(Registry, OpensAZipFile) {
  TemporaryDirectory d;
  write_archive(d / "x.zip", "zip",
                {{"in/0.png", "picture 0"}, {"in/0.txt", "t"}, {"._0.png", ""}});
  DatasetOptions options;
  options.path = (d / "x.zip").string();
  const auto dataset = open_dataset(options);
  ASSERT_EQ(dataset->size(), 1);
  EXPECT_EQ(dataset->name(0), (d / "x.zip/in/0.png").string());
  EXPECT_EQ(dataset->image_head(0, 3), "pic");
  EXPECT_EQ(dataset->image_length(0), 9u);
  EXPECT_THAT(dataset->captions(0), ElementsAre("t"));
}

TEST(Registry, WhatIsNoDataSetIsRefused) {
  TemporaryDirectory d;
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }),
              HasSubstr("no files of the split 'train'"));
  d.write("notes.md", "");
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }),
              HasSubstr("holds no pictures (1 file)"));
  d.write("data-00000-of-00001.arrow", "");
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }), HasSubstr("to_parquet"));
  d.write("a.zip", "no zip");
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }),
              HasSubstr("a.zip: cannot be read as a zip"));
  DatasetOptions options;
  options.path = (d / "gone").string();
  EXPECT_THAT(test::error_message([&] { open_dataset(options); }),
              HasSubstr("neither a folder nor a zip"));
}

}  // namespace
}  // namespace sdxl
