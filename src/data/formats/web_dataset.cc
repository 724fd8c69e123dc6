// Samples of tar files.
#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text.h"
#include "data/captions.h"
#include "data/dataset.h"
#include "data/formats/file_kinds.h"
#include "data/formats/random_access_file.h"
#include "data/formats/tar_scan.h"

namespace sdxl {
namespace {

constexpr uint64_t kLargestPicture = uint64_t{512} << 20;
constexpr uint64_t kLargestText = uint64_t{16} << 20;

/// "a/b.seg.jpg" -> "a/b" and "seg.jpg".
std::pair<std::string, std::string> key_and_field(const std::string& name) {
  const size_t slash = name.rfind('/');
  const size_t dot = name.find('.', slash == std::string::npos ? 0 : slash + 1);
  if (dot == std::string::npos) return {name, ""};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

class WebDataset : public Dataset {
 public:
  WebDataset(const fs::path& root, const std::vector<std::string>& files,
             const DatasetOptions& options)
      : options_(options) {
    for (const std::string& file : files) add(root / file);
    finish();
  }

  int64_t size() const override { return std::ssize(rows_); }
  std::string image_bytes(int64_t index) const override {
    const Row& row = rows_[index];
    return read(row.file, row.image, row.image_size);
  }
  std::string image_head(int64_t index, size_t limit) const override {
    const Row& row = rows_[index];
    return read(row.file, row.image, std::min<uint64_t>(row.image_size, limit));
  }
  uint64_t image_length(int64_t index) const override { return rows_[index].image_size; }
  std::vector<std::string> captions(int64_t index) const override {
    const Row& row = rows_[index];
    std::string text = read(row.file, row.caption, row.caption_size);
    if (!row.json) return {caption_from_file(std::move(text), name(index))};
    const Json object = parse_json(text, name(index));
    const auto found = object.is_object() ? object.find(options_.caption_column) : object.end();
    if (found == object.end()) return {};
    return captions_from_json(*found, options_.caption_column, name(index));
  }
  std::string name(int64_t index) const override {
    const Row& row = rows_[index];
    return str(files_[row.file].path.string(), " at ", row.image);
  }
  std::string stamp(int64_t index) const override {
    const Row& row = rows_[index];
    return files_[row.file].stamp +
           std::string(reinterpret_cast<const char*>(&row.image), sizeof row.image);
  }
  std::vector<std::string> notes() const override { return notes_; }

 private:
  struct File {
    fs::path path;
    std::string stamp;
  };
  struct Row {
    uint64_t image = 0, caption = 0;
    uint32_t image_size = 0, caption_size = 0;
    uint32_t file = 0;
    bool json = false;
  };

  void add(const fs::path& path) {
    if (!path.string().ends_with(".tar")) {
      throw Error(ExitStatus::kBadData, quoted(path.string()) +
                                            " is a compressed tar, in which pictures cannot be "
                                            "reached directly; uncompress it");
    }
    files_.push_back({path, RandomAccessFile(path).stamp()});
    scan_tar(path, [this](const TarMember& member) { take(member); });
    finish_sample();
  }

  /// Opened anew each time: there may be more files than a process may have open.
  std::string read(uint32_t file, uint64_t offset, uint64_t size) const {
    return RandomAccessFile(files_[file].path).read(offset, size);
  }

  void take(const TarMember& member) {
    const auto [key, field] = key_and_field(member.name);
    if (key != key_) finish_sample();
    key_ = key;
    Row& row = current_;
    row.file = static_cast<uint32_t>(files_.size() - 1);
    if (is_image_field(field) && row.image_size == 0 && member.size <= kLargestPicture) {
      row.image = member.offset;
      row.image_size = static_cast<uint32_t>(member.size);
    }
    const int rank = caption_rank(field);
    if (rank > caption_rank_ && member.size <= kLargestText) {
      caption_rank_ = rank;
      row.caption = member.offset;
      row.caption_size = static_cast<uint32_t>(member.size);
      row.json = field == "json";
    }
  }

  /// A column that was named is the one; "image" stands for whatever picture the key has.
  bool is_image_field(const std::string& field) const {
    if (options_.image_column != "image") return field == options_.image_column;
    return is_picture_file("." + field) || is_picture_file(field);
  }

  /// 0: no caption; of several fields that could be, the highest is taken.
  int caption_rank(const std::string& field) const {
    if (field == options_.caption_column) return 3;
    if (field == "json") return 1;
    const bool usual = field == "txt" || field == "text" || field == "caption";
    return usual && options_.caption_column == "text" ? 2 : 0;
  }

  void finish_sample() {
    if (!key_.empty()) {
      const bool image = current_.image_size > 0, caption = caption_rank_ > 0;
      if (image && caption) rows_.push_back(current_);
      without_image_ += !image;
      without_caption_ += image && !caption;
    }
    key_.clear();
    current_ = {};
    caption_rank_ = 0;
  }

  void finish() {
    if (rows_.empty()) {
      throw Error(ExitStatus::kBadData,
                  str("the tar files of ", quoted(options_.path), " hold ", without_image_,
                      " keys without a picture and ", without_caption_,
                      " pictures without a caption, and none with both; name the members' "
                      "extensions with --image_column and --caption_column"));
    }
    if (without_caption_ > 0 && !options_.skip_bad_rows) {
      throw Error(
          ExitStatus::kBadData,
          str(counted(without_caption_, "picture"), " in the tar files of ", quoted(options_.path),
              " without a caption; mend the data, or leave such rows out with "
              "--on_bad_image skip"));
    }
    if (without_caption_ > 0) {
      notes_.push_back(
          str("left out ", counted(without_caption_, "picture"), " without a caption"));
    }
    if (without_image_ > 0) {
      notes_.push_back(str("left out ", counted(without_image_, "key"), " without a picture"));
    }
  }

  DatasetOptions options_;
  std::vector<File> files_;
  std::vector<Row> rows_;
  std::vector<std::string> notes_;
  std::string key_;
  Row current_;
  int caption_rank_ = 0;
  int64_t without_image_ = 0, without_caption_ = 0;
};

}  // namespace

std::unique_ptr<Dataset> open_web_dataset(const fs::path& root,
                                          const std::vector<std::string>& files,
                                          const DatasetOptions& options) {
  std::vector<std::string> shards;
  std::copy_if(files.begin(), files.end(), std::back_inserter(shards), is_tar_file);
  return std::make_unique<WebDataset>(root, shards, options);
}

}  // namespace sdxl
