// Data sets: random access to pictures with captions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/image.h"

namespace sdxl {

/// Rows of a picture and its captions. Bytes are read when asked for, so that a data set costs
/// memory for an index only. All functions may be called from several threads.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  /// The encoded picture of row `index`.
  virtual std::string image_bytes(int64_t index) const = 0;
  /// At least the first `limit` bytes of it (all of it where it is shorter).
  virtual std::string image_head(int64_t index, size_t limit) const;
  /// How many bytes the encoded picture has.
  virtual uint64_t image_length(int64_t index) const = 0;
  /// The captions of row `index`; none where the row lacks one. The empty text is a caption like
  /// any other.
  virtual std::vector<std::string> captions(int64_t index) const = 0;
  /// What errors and logs call the row: a path, or "file.parquet row 12".
  virtual std::string name(int64_t index) const = 0;
  /// What changes whenever the picture's bytes do, known without reading them (where they lie and
  /// when that was last written); "" where nothing is.
  virtual std::string stamp(int64_t index) const = 0;
  /// What was left out when the data set was opened and why, a sentence each.
  virtual std::vector<std::string> notes() const { return {}; }
};

struct DatasetOptions {
  std::string path;              ///< A directory (already downloaded, where it came from the Hub).
  bool whole_directory = false;  ///< --train_data_dir: every file in it, no splits or README rules.
  std::string config_name;       ///< --dataset_config_name
  std::string image_column = "image", caption_column = "text";
  bool skip_bad_rows =
      false;                 ///< --on_bad_image skip: rows without picture or caption are left out.
  int64_t max_samples = -1;  ///< The first of a seeded permutation; -1: all.
  uint64_t seed = 0;         ///< For that permutation.
};

/// `rows` of `dataset`, in this order.
std::unique_ptr<Dataset> select_rows(std::shared_ptr<const Dataset> dataset,
                                     std::vector<int64_t> rows);

}  // namespace sdxl
