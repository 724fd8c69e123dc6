// WebDataset: tar files with pictures and captions of one key.
#include "data/formats/registry.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>

#include "data/data_test_files.h"
#include "data/formats/tar_scan.h"

namespace sdxl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Members = std::vector<std::pair<std::string, std::string>>;

void write_tar(const fs::path& path, const Members& members, bool pax = true) {
  archive* out = archive_write_new();
  if (pax)
    archive_write_set_format_pax(out);
  else
    archive_write_set_format_ustar(out);
  ASSERT_EQ(archive_write_open_filename(out, path.c_str()), ARCHIVE_OK);
  for (const auto& [name, content] : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<int64_t>(content.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_write_header(out, entry);
    archive_write_data(out, content.data(), content.size());
    archive_entry_free(entry);
  }
  archive_write_free(out);
}

TEST(WebDataset, MembersAreReadFromWhereTheyLie) {
  TemporaryDirectory d;
  const std::string long_name(180, 'n');
  for (const bool pax : {true, false}) {
    write_tar(d / "0.tar",
              {{"a/1.jpg", std::string(3000, 'x')},
               {"a/1.txt", "one\n"},
               {"a/" + (pax ? long_name : "b") + ".png", "PNG"},
               {"\xC3\xA9.txt", ""}},
              pax);
    std::vector<std::string> names, contents;
    scan_tar(d / "0.tar", [&](const TarMember& member) {
      names.push_back(member.name);
      contents.push_back(read_file(d / "0.tar").substr(member.offset, member.size));
    });
    EXPECT_THAT(contents, ElementsAre(std::string(3000, 'x'), "one\n", "PNG", ""));
    EXPECT_EQ(names[3], "\xC3\xA9.txt");
  }
}

TEST(WebDataset, PictureAndCaptionOfOneKey) {
  TemporaryDirectory d;
  write_tar(d / "train-1.tar",
            {{"k3.json", "{\"text\": [\"three\", \"III\"]}"}, {"k3.webp", "P3"}});
  write_tar(d / "train-0.tar", {{"x/k1.png", "P1"},
                                {"x/k1.txt", "one"},
                                {"x/k1.json", "{}"},
                                {"x/k2.jpg", "P2"},
                                {"x/k2.caption", "two"}});
  const auto dataset = open_dataset(in(d));
  ASSERT_EQ(dataset->size(), 3);
  EXPECT_EQ(dataset->image_bytes(0), "P1");
  EXPECT_THAT(dataset->captions(0), ElementsAre("one"));
  EXPECT_THAT(dataset->captions(1), ElementsAre("two"));
  EXPECT_EQ(dataset->image_bytes(2), "P3");
  EXPECT_THAT(dataset->captions(2), ElementsAre("three", "III"));
  EXPECT_NE(dataset->stamp(0), dataset->stamp(1));
  EXPECT_EQ(dataset->image_head(2, 1), "P");
}

TEST(WebDataset, FieldsByName) {
  TemporaryDirectory d;
  write_tar(d / "0.tar", {{"1.jpg", "J"},
                          {"1.small.png", "S"},
                          {"1.prompt", "p"},
                          {"1.txt", "t"},
                          {"1.json", "{\"title\": \"T\"}"}});
  DatasetOptions options = in(d);
  options.image_column = "small.png";
  options.caption_column = "prompt";
  EXPECT_EQ(open_dataset(options)->image_bytes(0), "S");
  EXPECT_THAT(open_dataset(options)->captions(0), ElementsAre("p"));
  options.caption_column = "title";
  EXPECT_THAT(open_dataset(options)->captions(0), ElementsAre("T"));
}

TEST(WebDataset, MissingPartsAreCounted) {
  TemporaryDirectory d;
  write_tar(d / "0.tar", {{"1.jpg", "J"}, {"1.txt", "t"}, {"2.jpg", "J"}, {"3.txt", "t"}});
  const auto dataset = open_dataset(in(d));
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_TRUE(dataset->captions(1).empty());
  EXPECT_THAT(dataset->notes(),
              ElementsAre("1 key of the tar files without a picture is left out, such as '3'"));
}

TEST(WebDataset, UpperCaseAndHiddenMembers) {
  TemporaryDirectory d;
  write_tar(d / "0.TAR", {{"._1.JPG", "hidden"},
                          {"1.JPG", "J"},
                          {"._1.TXT", "hidden"},
                          {"1.TXT", "one"},
                          {"__MACOSX/1.jpg", "hidden"},
                          {"sub/._2.jpg", "hidden"},
                          {"sub/2.Png", "P"},
                          {"sub/2.Json", "{\"text\": \"two\"}"}});
  const auto dataset = open_dataset(in(d));
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_EQ(dataset->image_bytes(0), "J");
  EXPECT_THAT(dataset->captions(0), ElementsAre("one"));
  EXPECT_EQ(dataset->image_bytes(1), "P");
  EXPECT_THAT(dataset->captions(1), ElementsAre("two"));
}

TEST(WebDataset, ConditioningPicturesAreTakenOnlyByName) {
  TemporaryDirectory d;
  write_tar(
      d / "0.tar",
      {{"1.seg.png", "S"}, {"1.jpg", "J"}, {"1.txt", "t"}, {"2.seg.png", "S"}, {"2.txt", "t"}});
  EXPECT_EQ(open_dataset(in(d))->size(), 1);
  EXPECT_EQ(open_dataset(in(d))->image_bytes(0), "J");
  DatasetOptions options = in(d);
  options.image_column = "seg.png";
  EXPECT_EQ(open_dataset(options)->size(), 2);
  EXPECT_EQ(open_dataset(options)->image_bytes(0), "S");
}

TEST(WebDataset, WhatIsNoPlainTarIsRefused) {
  TemporaryDirectory d;
  d.write("0.tar",
          "not a tar at all, but long enough to be looked at as one" + std::string(600, 'x'));
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }), HasSubstr("0.tar"));
  fs::remove(d / "0.tar");
  d.write("0.tar.gz", "x");
  EXPECT_THAT(test::error_message([&] { open_dataset(in(d)); }), HasSubstr("compressed"));
}

}  // namespace
}  // namespace sdxl
