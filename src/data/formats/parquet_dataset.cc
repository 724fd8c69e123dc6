// Parquet files as the Hub stores data sets: a column of pictures (struct of bytes and path, bytes,
// or path) and one of captions (text or list of texts), in any number of files.
#include <algorithm>
#include <initializer_list>
#include <list>
#include <mutex>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "base/utf8.h"
#include "data/formats/file_kinds.h"
#include "data/formats/format.h"
#include "data/formats/metadata_file.h"
#include "data/formats/parquet_reader.h"
#include "data/formats/random_access_file.h"

namespace sdxl {
namespace {

constexpr size_t kOpenFiles = 64;

bool is_one_of(sdxl_parquet_kind kind, std::initializer_list<sdxl_parquet_kind> kinds) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

const char* kind_text(sdxl_parquet_kind kind) {
  switch (kind) {
    case SDXL_PARQUET_TEXT:
      return "texts";
    case SDXL_PARQUET_BYTES:
      return "bytes";
    case SDXL_PARQUET_PICTURE:
      return "pictures";
    case SDXL_PARQUET_TEXTS:
      return "lists of texts";
    case SDXL_PARQUET_PICTURES:
      return "lists of pictures";
    default:
      return "values of another type";
  }
}

class ParquetDataset : public Dataset {
 public:
  ParquetDataset(const FormatFiles& files, const DatasetOptions& options)
      : root_(files.tree->root()),
        image_column_(options.image_column),
        caption_column_(options.caption_column) {
    for (const std::string& file : files.tree->files()) {
      if (is_parquet_file(file)) add(file);
    }
  }

  int64_t size() const override { return rows_; }

  std::string image_bytes(int64_t index) const override {
    const ParquetReader::Value value = read(image_column_, index);
    if (value.bytes) return *value.bytes;
    const std::string* path = value.path ? &*value.path : nullptr;
    if (!path && !value.texts.empty()) path = &value.texts.front();
    if (!path) throw bad_data(name(index), "has no picture");
    return read_file(root_ / resolve_file_name("", *path, name(index)), kLargestPicture);
  }

  uint64_t image_length(int64_t index) const override { return image_bytes(index).size(); }

  std::vector<std::string> captions(int64_t index) const override {
    ParquetReader::Value value = read(caption_column_, index);
    if (value.bytes) value.texts = {std::move(*value.bytes)};
    if (!std::all_of(value.texts.begin(), value.texts.end(), is_utf8)) {
      throw bad_data(name(index), "has a caption that is not UTF-8");
    }
    return std::move(value.texts);
  }

  std::string name(int64_t index) const override {
    const auto [shard, row] = place(index);
    return str(shard->path.string(), " row ", row);
  }

  /// A picture that is given by its path may change without the Parquet file.
  std::string stamp(int64_t index) const override {
    const auto [shard, row] = place(index);
    if (!shard->holds_bytes) return "";
    return shard->stamp + std::string(reinterpret_cast<const char*>(&row), sizeof row);
  }

 private:
  struct Shard {
    fs::path path;
    std::string stamp;
    int64_t first_row;
    bool holds_bytes;
  };

  void add(const std::string& file) {
    const fs::path path = root_ / file;
    const ParquetReader reader(path);
    const ParquetReader::Column* image = reader.column(image_column_);
    const ParquetReader::Column* caption = reader.column(caption_column_);
    const auto refuse = [&](const std::string& column, const char* what, const char* option) {
      const ParquetReader::Column* found = reader.column(column);
      throw bad_data(path.string(), found ? "the column " : "has no column ", quoted(column),
                     found ? str(" holds ", kind_text(found->kind), ", not ") : " of ", what,
                     "; its columns: ", reader.column_names(), " (", option, ")");
    };
    if (!image ||
        !is_one_of(image->kind, {SDXL_PARQUET_TEXT, SDXL_PARQUET_BYTES, SDXL_PARQUET_PICTURE})) {
      refuse(image_column_, "one picture per row", "--image_column");
    }
    if (!caption ||
        !is_one_of(caption->kind, {SDXL_PARQUET_TEXT, SDXL_PARQUET_BYTES, SDXL_PARQUET_TEXTS})) {
      refuse(caption_column_, "texts", "--caption_column");
    }
    FileState state;
    if (!file_state(path.string(), &state)) {
      throw Error(ExitStatus::kFileError, quoted(path.string()), " is no longer there");
    }
    shards_.push_back({path, state.stamp, rows_, image->kind == SDXL_PARQUET_BYTES});
    if (image->kind == SDXL_PARQUET_PICTURE && reader.rows() > 0) {
      shards_.back().holds_bytes = reader.read(image_column_, 0).bytes.has_value();
    }
    rows_ += reader.rows();
  }

  std::pair<const Shard*, int64_t> place(int64_t index) const {
    const auto behind =
        std::upper_bound(shards_.begin(), shards_.end(), index,
                         [](int64_t i, const Shard& shard) { return i < shard.first_row; });
    const Shard& shard = *std::prev(behind);
    return {&shard, index - shard.first_row};
  }

  ParquetReader::Value read(const std::string& column, int64_t index) const {
    const auto [shard, row] = place(index);
    return reader(*shard)->read(column, row);
  }

  /// Readers of the files that were used last; there may be more files than a process may open.
  std::shared_ptr<const ParquetReader> reader(const Shard& shard) const {
    const std::lock_guard lock(mutex_);
    for (auto entry = open_.begin(); entry != open_.end(); ++entry) {
      if (entry->first != &shard) continue;
      open_.splice(open_.begin(), open_, entry);
      return entry->second;
    }
    open_.emplace_front(&shard, std::make_shared<ParquetReader>(shard.path));
    if (open_.size() > kOpenFiles) open_.pop_back();
    return open_.front().second;
  }

  fs::path root_;
  std::string image_column_, caption_column_;
  std::vector<Shard> shards_;
  int64_t rows_ = 0;
  mutable std::mutex mutex_;
  mutable std::list<std::pair<const Shard*, std::shared_ptr<const ParquetReader>>> open_;
};

}  // namespace

std::unique_ptr<Dataset> open_parquet(const FormatFiles& files, const DatasetOptions& options) {
  return std::make_unique<ParquetDataset>(files, options);
}

}  // namespace sdxl
