// What the formats of data sets have in common.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "data/dataset.h"
#include "data/formats/file_tree.h"

namespace sdxl {

/// Larger pictures are not read, in bytes of the encoded file.
inline constexpr uint64_t kLargestPicture = uint64_t{512} << 20;

/// The files that a format reads.
struct FormatFiles {
  std::shared_ptr<const FileTree> tree;
  /// Whether a file of this path belongs to the split that is read, be it there or not.
  std::function<bool(const std::string& path)> is_in_split;
};

/// Opens the files of one format as a data set, as open_dataset() does.
using OpenFormat = std::unique_ptr<Dataset>(const FormatFiles& files,
                                            const DatasetOptions& options);

}  // namespace sdxl
