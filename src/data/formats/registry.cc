#include "data/formats/registry.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "data/formats/file_kinds.h"
#include "data/formats/file_list.h"
#include "data/formats/splits.h"
#include "device/random.h"

namespace sdxl {

/// Opens `files`, which are relative to `root`, as one data set.
using OpenFormat = std::unique_ptr<Dataset>(const fs::path& root,
                                            const std::vector<std::string>& files,
                                            const DatasetOptions& options);
OpenFormat open_parquet, open_web_dataset, open_image_folder;

namespace {

struct Format {
  const char* name;
  /// Whether a file of this path belongs to the format.
  bool (*recognises)(const std::string& path);
  OpenFormat* open;
};

/// The first format that recognises a file opens all of them.
constexpr Format kFormats[] = {
    {"Parquet", is_parquet_file, open_parquet},
    {"WebDataset", is_tar_file, open_web_dataset},
    {"image folder", is_picture_file, open_image_folder},
};

std::unique_ptr<Dataset> open_with_format(const fs::path& root,
                                          const std::vector<std::string>& files,
                                          const DatasetOptions& options) {
  for (const Format& format : kFormats) {
    if (std::any_of(files.begin(), files.end(), format.recognises)) {
      return format.open(root, files, options);
    }
  }
  const auto unreadable = std::find_if(files.begin(), files.end(), is_unreadable_picture_file);
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

std::unique_ptr<Dataset> open_dataset(const DatasetOptions& options) {
  const fs::path root = options.path;
  if (!fs::is_directory(root)) {
    throw Error(ExitStatus::kBadData,
                "the data set " + quoted(options.path) + " is not a directory");
  }
  std::vector<std::string> files = list_files(root);
  if (!options.whole_directory) {
    const bool described = fs::exists(root / "README.md");
    files =
        files_of_split(std::move(files), described ? read_file(root / "README.md", 64 << 20) : "",
                       options.config_name, "train", options.path);
  }
  std::unique_ptr<Dataset> dataset = open_with_format(root, files, options);
  if (dataset->size() == 0) {
    throw Error(ExitStatus::kBadData,
                "the data set " + quoted(options.path) + " has no row that can be trained on");
  }
  if (options.max_samples < 0) return dataset;
  std::vector<int64_t> rows = subset(dataset->size(), options.max_samples, options.seed);
  return select_rows(std::move(dataset), std::move(rows));
}

}  // namespace sdxl
