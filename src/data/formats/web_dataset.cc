// WebDataset: tar files whose members of one key make a sample: a picture, and a caption in .txt,
// .caption, .text or a column of .json. The key is the name up to the first dot of its last part.
#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text.h"
#include "data/captions.h"
#include "data/formats/file_kinds.h"
#include "data/formats/format.h"
#include "data/formats/json_rows.h"
#include "data/formats/random_access_file.h"
#include "data/formats/tar_scan.h"

namespace sdxl {
namespace {

constexpr uint64_t kLargestText = uint64_t{16} << 20;

/// "a/b.Seg.JPG" -> "a/b" and "seg.jpg".
std::pair<std::string, std::string> key_and_field(const std::string& name) {
  const size_t slash = name.rfind('/');
  const size_t dot = name.find('.', slash == std::string::npos ? 0 : slash + 1);
  if (dot == std::string::npos) return {name, ""};
  return {name.substr(0, dot), in_lower_case(name.substr(dot + 1))};
}

/// Hidden files, such as the "._a.jpg" that tar adds on macOS, belong to no sample.
bool is_hidden_member(const std::string& name) {
  return is_hidden_name(name.substr(name.rfind('/') + 1)) || name.starts_with("__MACOSX/");
}

class WebDataset : public Dataset {
 public:
  WebDataset(const FormatFiles& files, const DatasetOptions& options)
      : path_(options.path),
        image_field_(in_lower_case(options.image_column)),
        caption_column_(options.caption_column),
        caption_field_(in_lower_case(options.caption_column)) {
    for (const std::string& file : files.tree->files()) {
      if (is_tar_file(file)) add(files.tree->root() / file);
    }
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
    if (row.caption_kind == CaptionKind::kNone) return {};
    std::string text = read(row.file, row.caption, row.caption_size);
    if (row.caption_kind == CaptionKind::kText) {
      std::string caption = caption_from_file(std::move(text), name(index));
      if (caption.empty()) return {};
      return {std::move(caption)};
    }
    const Json object = parse_json_row(text, name(index));
    const auto found = object.is_object() ? object.find(caption_column_) : object.end();
    if (found == object.end()) return {};
    return captions_from_json(*found, caption_column_, name(index));
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

 private:
  /// From the least to the most wanted.
  enum class CaptionKind : uint8_t { kNone, kJson, kText };

  struct File {
    fs::path path;
    std::string stamp;
  };
  struct Row {
    uint64_t image = 0, caption = 0;
    uint32_t image_size = 0, caption_size = 0;
    uint32_t file = 0;
    CaptionKind caption_kind = CaptionKind::kNone;
    bool caption_by_name = false;  ///< Its field is --caption_column itself.
  };

  void add(const fs::path& path) {
    if (lower_extension(path.string()) != "tar") {
      throw bad_data(path.string(),
                     "is a compressed tar, whose pictures cannot be reached directly; "
                     "uncompress it");
    }
    files_.push_back({path, RandomAccessFile(path).stamp()});
    scan_tar(path, [this](const TarMember& member) { take(member); });
    finish_sample();
  }

  /// Opens the file on each call: there may be more files than a process may have open.
  std::string read(uint32_t file, uint64_t offset, uint64_t size) const {
    return RandomAccessFile(files_[file].path).read(offset, size);
  }

  void take(const TarMember& member) {
    if (is_hidden_member(member.name)) return;
    const auto [key, field] = key_and_field(member.name);
    if (key != key_) finish_sample();
    key_ = key;
    Row& row = current_;
    row.file = static_cast<uint32_t>(files_.size() - 1);
    if (is_image_field(field) && row.image_size == 0 && member.size <= kLargestPicture) {
      row.image = member.offset;
      row.image_size = static_cast<uint32_t>(member.size);
    }
    take_caption(member, field);
  }

  void take_caption(const TarMember& member, const std::string& field) {
    Row& row = current_;
    const bool by_name = field == caption_field_;
    const CaptionKind kind = by_name ? CaptionKind::kText : caption_kind(field);
    const bool better =
        by_name ? !row.caption_by_name : !row.caption_by_name && kind > row.caption_kind;
    if (!better || member.size > kLargestText) return;
    row.caption = member.offset;
    row.caption_size = static_cast<uint32_t>(member.size);
    row.caption_kind = kind;
    row.caption_by_name = by_name;
  }

  /// A column that was named is the one. The default "image" stands for the member whose whole
  /// extension is a picture's: "a.jpg", but not the conditioning picture "a.seg.jpg" beside it.
  bool is_image_field(const std::string& field) const {
    if (image_field_ != "image") return field == image_field_;
    const std::string name = "." + field;
    return field.find('.') == field.npos &&
           (field == "image" || is_picture_file(name) || is_unreadable_picture_file(name));
  }

  /// Of a field other than --caption_column.
  CaptionKind caption_kind(const std::string& field) const {
    if (field == "json") return CaptionKind::kJson;
    const bool usual = field == "txt" || field == "text" || field == "caption";
    return usual && caption_column_ == "text" ? CaptionKind::kText : CaptionKind::kNone;
  }

  void finish_sample() {
    if (!key_.empty()) {
      if (current_.image_size > 0) {
        rows_.push_back(current_);
        without_caption_ += current_.caption_kind == CaptionKind::kNone;
      } else if (without_image_++ == 0) {
        first_without_image_ = key_;
      }
    }
    key_.clear();
    current_ = {};
  }

  void finish() {
    if (std::ssize(rows_) == without_caption_) {
      throw bad_data(path_, "the tar files hold ", counted(without_image_, "key"),
                     " without a picture and ", counted(without_caption_, "picture"),
                     " without a caption, and no key with both; name the members' extensions with "
                     "--image_column and --caption_column");
    }
    if (without_image_ > 0) {
      notes_.push_back(str(counted(without_image_, "key"), " of the tar files without a picture ",
                           without_image_ == 1 ? "is" : "are", " left out, such as ",
                           quoted(first_without_image_)));
    }
  }

  std::string path_, image_field_, caption_column_, caption_field_;
  std::vector<File> files_;
  std::vector<Row> rows_;
  std::string key_;  ///< Of the sample whose members are being taken.
  Row current_;
  int64_t without_image_ = 0, without_caption_ = 0;
  std::string first_without_image_;
};

}  // namespace

std::unique_ptr<Dataset> open_web_dataset(const FormatFiles& files, const DatasetOptions& options) {
  return std::make_unique<WebDataset>(files, options);
}

}  // namespace sdxl
