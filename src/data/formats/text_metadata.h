// What the readers of metadata.jsonl and metadata.csv share.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "data/formats/metadata_file.h"
#include "data/formats/random_access_file.h"

namespace sdxl {

/// Keeps the place of each row in the file, from which captions are read again.
class TextMetadata : public MetadataFile {
 public:
  bool has_caption(int64_t row) const override { return records_[row].has_caption; }
  std::vector<std::string> columns() const override { return columns_; }

 protected:
  TextMetadata(const FileTree& tree, const std::string& path) : path_(tree.full_path(path)) {
    constexpr uint64_t kLargestArchived = uint64_t{1} << 32;
    if (tree.is_archived(path)) {
      text_ = tree.read(path, kLargestArchived);
    } else {
      file_.emplace(path_);
    }
  }

  /// Calls `scan` with the file's content, which is valid during the call.
  void scan(const std::function<void(std::string_view text)>& scan) const {
    if (!file_) return scan(text_);
    const MappedFile mapped(path_);
    scan({reinterpret_cast<const char*>(mapped.data()), mapped.size()});
  }

  std::string source(int64_t line) const { return str(path_, " line ", line); }
  std::string record_text(int64_t row) const {
    const Record& record = records_[row];
    return file_ ? file_->read(record.offset, record.length)
                 : text_.substr(record.offset, record.length);
  }
  void add(std::string_view file_name, uint64_t offset, uint64_t length, bool has_caption,
           int64_t line) {
    if (length > UINT32_MAX) throw bad_data(source(line), "the row is longer than 4 GiB");
    file_names_.add(file_name);
    records_.push_back({offset, static_cast<uint32_t>(length), has_caption});
  }

  std::string path_;
  std::vector<std::string> columns_;

 private:
  struct Record {
    uint64_t offset;
    uint32_t length;
    bool has_caption;
  };

  std::optional<RandomAccessFile> file_;
  std::string text_;  ///< Of a file in a zip file.
  std::vector<Record> records_;
};

}  // namespace sdxl
