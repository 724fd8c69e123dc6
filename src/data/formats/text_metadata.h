// What the readers of metadata.jsonl and metadata.csv share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "data/formats/metadata_file.h"
#include "data/formats/random_access_file.h"

namespace sdxl {

/// Keeps the place of each row in the file, from which captions are read again.
class TextMetadata : public MetadataFile {
 public:
  explicit TextMetadata(const std::filesystem::path& path) : file_(path) {}
  const StringList& file_names() const override { return file_names_; }
  bool has_caption(int64_t row) const override { return records_[row].has_caption; }
  std::vector<std::string> columns() const override { return columns_; }

 protected:
  std::string source(int64_t line) const { return str(file_.path().string(), " line ", line); }
  std::string record_text(int64_t row) const {
    return file_.read(records_[row].offset, records_[row].length);
  }
  void add(std::string_view file_name, uint64_t offset, uint64_t length, bool has_caption,
           int64_t line) {
    if (length > UINT32_MAX) {
      throw bad_data(source(line), "the row is longer than 4 GiB");
    }
    file_names_.add(file_name);
    records_.push_back({offset, static_cast<uint32_t>(length), has_caption});
  }

  struct Record {
    uint64_t offset;
    uint32_t length;
    bool has_caption;
  };

  RandomAccessFile file_;
  StringList file_names_;
  std::vector<Record> records_;
  std::vector<std::string> columns_;
};

}  // namespace sdxl
