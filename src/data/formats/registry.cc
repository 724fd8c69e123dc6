#include "data/formats/registry.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "data/formats/file_kinds.h"
#include "data/formats/format.h"
#include "data/formats/splits.h"
#include "device/random.h"

namespace sdxl {

OpenFormat open_parquet, open_web_dataset, open_image_folder;

namespace {

bool is_any_picture_file(std::string_view path) {
  return is_picture_file(path) || is_unreadable_picture_file(path);
}

struct Format {
  const char* name;  ///< In sentences: "read as …".
  /// Whether a file of this path belongs to the format.
  bool (*recognises)(std::string_view path);
  OpenFormat* open;
};

constexpr Format kFormats[] = {
    {"a Parquet data set", is_parquet_file, open_parquet},
    {"a WebDataset of tar files", is_tar_file, open_web_dataset},
    {"an image folder", is_any_picture_file, open_image_folder},
};
constexpr const Format& kImageFolder = kFormats[2];

/// Chooses as `datasets` does: by the most frequent extension, and among equals Parquet's, then the
/// last in the alphabet. Differs in what helps: an image folder without captions, which cannot be
/// trained on, is chosen only if there is nothing else.
class FormatChoice {
 public:
  explicit FormatChoice(const std::vector<std::string>& files) {
    std::unordered_set<size_t> stems_of_captions;
    const auto stem = [](std::string_view file) {
      return std::hash<std::string_view>()(file.substr(0, file.rfind('.')));
    };
    for (const std::string& file : files) {
      if (is_caption_file(file)) stems_of_captions.insert(stem(file));
    }
    for (const std::string& file : files) {
      has_captions_ = has_captions_ || is_metadata_file(file) ||
                      (is_any_picture_file(file) && stems_of_captions.contains(stem(file)));
      for (const Format& format : kFormats) {
        if (format.recognises(file)) ++counts_[{&format, lower_extension(file)}];
      }
    }
  }

  /// Null if there are no files of any format. The scripts take --train_data_dir for an image
  /// folder whatever else is in it: so does this with `prefers_pictures`.
  const Format* best(bool prefers_pictures) const {
    const Format* best = nullptr;
    std::tuple<int64_t, bool, std::string> best_rank;
    for (const auto& [kind, count] : counts_) {
      const auto& [format, extension] = kind;
      const bool is_folder = format == &kImageFolder;
      if (is_folder && has_captions_ && prefers_pictures) return format;
      if (is_folder && !has_captions_) continue;
      const std::tuple rank(count, extension == "parquet", extension);
      if (!best || rank > best_rank) {
        best = format;
        best_rank = rank;
      }
    }
    return best || counts_.empty() ? best : &kImageFolder;
  }

 private:
  bool has_captions_ = false;
  std::map<std::pair<const Format*, std::string>, int64_t> counts_;
};

[[noreturn]] void refuse_without_format(const std::vector<std::string>& files,
                                        const DatasetOptions& options) {
  if (std::any_of(files.begin(), files.end(),
                  [](const std::string& file) { return file.ends_with(".arrow"); })) {
    throw Error(ExitStatus::kBadData, "the data set ", quoted(options.path),
                " holds Arrow files, as save_to_disk writes them; save it with to_parquet instead");
  }
  throw Error(ExitStatus::kBadData, "the data set ", quoted(options.path), " holds no pictures (",
              counted(std::ssize(files), "file"),
              "): give a folder of PNG, JPEG, WebP, TIFF, AVIF, GIF or BMP files with captions");
}

std::unique_ptr<Dataset> open_as_format(const FormatFiles& files, const DatasetOptions& options) {
  const std::vector<std::string>& names = files.tree->files();
  const Format* chosen = FormatChoice(names).best(options.whole_directory);
  if (!chosen) refuse_without_format(names, options);
  std::unique_ptr<Dataset> dataset = chosen->open(files, options);
  int64_t left = 0;
  std::string example;
  for (const std::string& name : names) {
    for (const Format& format : kFormats) {
      if (&format != chosen && format.recognises(name) && left++ == 0) example = name;
    }
  }
  if (left > 0) {
    dataset->add_note(str("the data set ", quoted(options.path), " is read as ", chosen->name, "; ",
                          left,
                          left == 1 ? " file of another format is" : " files of other formats are",
                          " left out, such as ", quoted(example)));
  }
  return dataset;
}

/// The order of the rows that --max_train_samples keeps has its place in the shuffle stream.
constexpr uint64_t kSubsetIndex = (uint64_t{1} << 32) - 1;

std::vector<int64_t> subset(int64_t size, int64_t count, uint64_t seed) {
  at::Generator generator = stream_generator(seed, Stream::kShuffle, kSubsetIndex);
  const at::Tensor order = at::randperm(size, generator, at::kLong);
  const int64_t* rows = order.const_data_ptr<int64_t>();
  return {rows, rows + std::min(size, count)};
}

/// The files of a folder that belong to the training split, or of a zip file.
FormatFiles find_files(const DatasetOptions& options) {
  const fs::path root = options.path;
  if (fs::is_regular_file(root) && is_zip_file(options.path)) {
    const std::vector<std::string> archive = {root.filename().string()};
    return {std::make_shared<FileTree>(root.parent_path(), archive),
            [](const std::string&) { return true; }};
  }
  if (!fs::is_directory(root)) {
    throw Error(ExitStatus::kBadData, "the data set ", quoted(options.path),
                " is neither a folder nor a zip file");
  }
  std::vector<std::string> files = list_files(root);
  if (options.whole_directory) {
    return {std::make_shared<FileTree>(root, files), [](const std::string&) { return true; }};
  }
  const bool described = fs::exists(root / "README.md");
  const auto rules = std::make_shared<SplitRules>(
      std::move(files), described ? read_file(root / "README.md", 64 << 20) : "",
      options.config_name, options.path);
  return {std::make_shared<FileTree>(root, rules->files("train")),
          [rules](const std::string& path) { return rules->contains(path, "train"); }};
}

}  // namespace

std::unique_ptr<Dataset> open_dataset(const DatasetOptions& options) {
  std::unique_ptr<Dataset> dataset = open_as_format(find_files(options), options);
  if (dataset->size() == 0 && dataset->unusable().empty()) {
    throw Error(ExitStatus::kBadData, "the data set ", quoted(options.path), " has no rows");
  }
  if (options.max_samples < 0) return dataset;
  std::vector<int64_t> rows = subset(dataset->size(), options.max_samples, options.seed);
  return select_rows(std::move(dataset), std::move(rows));
}

}  // namespace sdxl
