// Image folders: a directory tree of pictures whose captions come from metadata files
// (metadata.jsonl, .csv or .parquet) or from a .txt or .caption file beside each picture.
#pragma once

#include <filesystem>
#include <memory>

#include "data/dataset.h"
#include "data/formats/picture_files.h"

namespace sdxl {

/// With metadata files, their rows are the data set, in their order. Without, every picture that
/// has a caption file is a row, by the path's bytes.
std::unique_ptr<Dataset> open_image_folder(const std::filesystem::path& folder,
                                           const FolderListing& listing,
                                           const DatasetOptions& options);

}  // namespace sdxl
