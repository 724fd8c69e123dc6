// Data sets: random access to pictures with captions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sdxl {

/// Part of a data set that is not trained on.
struct LeftOut {
  std::string name;    ///< The picture's path, or the row's place ("metadata.csv line 3").
  std::string reason;  ///< A sentence that names it too.
};

/// Rows of a picture and its captions. Only an index is held in memory; pictures and captions are
/// read on each call. Thread-safe.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  /// The encoded picture (a PNG file, for example). Error if it cannot be read.
  virtual std::string image_bytes(int64_t index) const = 0;
  /// At least the first `limit` bytes of image_bytes(), or all of them.
  virtual std::string image_head(int64_t index, size_t limit) const;
  /// The size of image_bytes().
  virtual uint64_t image_length(int64_t index) const = 0;
  /// The captions of the row; empty if it has none. Error(kBadData) if they cannot be read.
  virtual std::vector<std::string> captions(int64_t index) const = 0;
  /// The row's name in messages: a path, or "file.parquet row 12".
  virtual std::string name(int64_t index) const = 0;
  /// Bytes that change whenever the picture does, known without reading it (its file's inode, size
  /// and time of change); "" if there are none.
  virtual std::string stamp(int64_t index) const = 0;

  /// Rows of the source that cannot be rows here, since they name no picture or cannot be read.
  const std::vector<LeftOut>& unusable() const { return unusable_; }
  /// What else opening the data set left out, one sentence each.
  const std::vector<std::string>& notes() const { return notes_; }
  void add_note(std::string note) { notes_.push_back(std::move(note)); }

 protected:
  std::vector<LeftOut> unusable_;
  std::vector<std::string> notes_;
};

struct DatasetOptions {
  std::string path;  ///< A local directory, or a zip file.
  bool whole_directory =
      false;                ///< --train_data_dir: take every file, ignore splits and README.md.
  std::string config_name;  ///< --dataset_config_name
  std::string image_column = "image", caption_column = "text";
  int64_t max_samples = -1;  ///< Keep the first of a random permutation; -1 keeps all.
  uint64_t seed = 0;         ///< Of that permutation.
};

/// The data set of these rows of `dataset`, in this order.
std::unique_ptr<Dataset> select_rows(std::shared_ptr<const Dataset> dataset,
                                     std::vector<int64_t> rows);

}  // namespace sdxl
