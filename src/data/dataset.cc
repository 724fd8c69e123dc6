// The table of formats, and data sets made of other data sets.
#include "data/dataset.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "data/formats/image_folder.h"
#include "data/formats/metadata_file.h"
#include "data/formats/parquet_dataset.h"
#include "data/formats/picture_files.h"
#include "data/formats/splits.h"
#include "data/formats/web_dataset.h"
#include "device/random.h"

namespace sdxl {
namespace {

/// A format: whether files of it are among those of the data set, and how they become one.
struct Format {
  const char* name;  // For readers of the table.
  bool (*takes)(const std::string& file);
  std::unique_ptr<Dataset> (*open)(const fs::path& root, const std::vector<std::string>& files,
                                   const DatasetOptions& options);
};

std::unique_ptr<Dataset> open_folder(const fs::path& root, const std::vector<std::string>& files,
                                     const DatasetOptions& options) {
  return open_image_folder(root, list_pictures(files), options);
}

bool is_table_of_pictures(const std::string& file) {
  return is_parquet_name(file) && !is_metadata_file(file);
}

/// The first that takes one of the files opens them all.
const Format kFormats[] = {
    {"Parquet", is_table_of_pictures, open_parquet},
    {"WebDataset", is_tar_name, open_web_dataset},
    {"pictures", is_picture_name, open_folder},
};

class SelectedRows : public Dataset {
 public:
  SelectedRows(std::shared_ptr<const Dataset> dataset, std::vector<int64_t> rows)
      : dataset_(std::move(dataset)), rows_(std::move(rows)) {}
  int64_t size() const override { return static_cast<int64_t>(rows_.size()); }
  std::string image_bytes(int64_t index) const override {
    return dataset_->image_bytes(rows_[index]);
  }
  std::string image_head(int64_t index, size_t limit) const override {
    return dataset_->image_head(rows_[index], limit);
  }
  uint64_t image_length(int64_t index) const override {
    return dataset_->image_length(rows_[index]);
  }
  std::vector<std::string> captions(int64_t index) const override {
    return dataset_->captions(rows_[index]);
  }
  std::string name(int64_t index) const override { return dataset_->name(rows_[index]); }
  std::string stamp(int64_t index) const override { return dataset_->stamp(rows_[index]); }
  std::vector<std::string> notes() const override { return dataset_->notes(); }

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::vector<int64_t> rows_;
};

std::unique_ptr<Dataset> open_files(const fs::path& root, const std::vector<std::string>& files,
                                    const DatasetOptions& options) {
  for (const Format& format : kFormats) {
    if (std::any_of(files.begin(), files.end(), format.takes)) {
      return format.open(root, files, options);
    }
  }
  const auto unreadable = std::find_if(files.begin(), files.end(), is_unreadable_picture_name);
  if (unreadable != files.end()) {
    throw Error(
        ExitStatus::kBadData,
        str("the data set ", quoted(options.path), " has only pictures of formats that are ",
            "not read, such as ", quoted(*unreadable), "; convert them to PNG or JPEG"));
  }
  if (std::any_of(files.begin(), files.end(),
                  [](const auto& f) { return f.ends_with(".arrow"); })) {
    throw Error(ExitStatus::kBadData,
                str("the data set ", quoted(options.path), " holds Arrow files, as save_to_disk ",
                    "writes them; save it with to_parquet instead"));
  }
  throw Error(ExitStatus::kBadData,
              str("the data set ", quoted(options.path), " holds no pictures (", files.size(),
                  " files): give a directory of PNG, JPEG, WebP or BMP files with captions"));
}

/// The order of the rows that --max_train_samples keeps has its place in the shuffle stream.
constexpr uint64_t kSubsetIndex = (uint64_t{1} << 32) - 1;

std::vector<int64_t> subset(int64_t size, int64_t count, uint64_t seed) {
  at::Generator generator = stream_generator(seed, Stream::kShuffle, kSubsetIndex);
  const at::Tensor order = at::randperm(size, generator, at::kLong);
  const int64_t* rows = order.const_data_ptr<int64_t>();
  return {rows, rows + std::min(size, count)};
}

}  // namespace

std::string Dataset::image_head(int64_t index, size_t) const { return image_bytes(index); }

std::unique_ptr<Dataset> select_rows(std::shared_ptr<const Dataset> dataset,
                                     std::vector<int64_t> rows) {
  return std::make_unique<SelectedRows>(std::move(dataset), std::move(rows));
}

std::unique_ptr<Dataset> open_dataset(const DatasetOptions& options) {
  const fs::path root = options.path;
  if (!fs::is_directory(root)) {
    throw Error(ExitStatus::kBadData,
                "the data set " + quoted(options.path) + " is not a directory");
  }
  std::vector<std::string> files = list_files(root);
  if (!options.whole_directory) {
    const bool described = fs::exists(root / "README.md");
    files = resolve_data_files(std::move(files),
                               described ? read_file(root / "README.md", 64 << 20) : "",
                               options.config_name, "train", options.path);
  }
  std::unique_ptr<Dataset> dataset = open_files(root, files, options);
  if (dataset->size() == 0) {
    throw Error(ExitStatus::kBadData,
                "the data set " + quoted(options.path) + " has no row that can be trained on");
  }
  if (options.max_samples < 0) return dataset;
  std::vector<int64_t> rows = subset(dataset->size(), options.max_samples, options.seed);
  return select_rows(std::move(dataset), std::move(rows));
}

}  // namespace sdxl
