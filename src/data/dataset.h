// Data sets: a size and random access to pictures with captions. Each format is one file here with
// one line in the table of dataset.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/image.h"

namespace sdxl {

/// One row. The bytes are read when asked for, so that a data set costs memory for an index only.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  /// The encoded picture of row `index`. Safe to call from several threads.
  virtual std::string image_bytes(int64_t index) const = 0;
  /// The captions of row `index`, at least one; the empty text is a caption like any other.
  virtual std::vector<std::string> captions(int64_t index) const = 0;
  /// What errors and logs call the row: a path, or "file.parquet row 12".
  virtual std::string name(int64_t index) const = 0;
};

struct DatasetOptions {
  std::string path;             ///< A directory (already downloaded, where it came from the Hub).
  std::string config_name;      ///< --dataset_config_name
  std::string image_column = "image", caption_column = "text";
  int64_t max_samples = -1;     ///< The first of a seeded permutation; -1: all.
  uint64_t seed = 0;            ///< For that permutation.
};

std::unique_ptr<Dataset> open_dataset(const DatasetOptions& options);

}  // namespace sdxl
