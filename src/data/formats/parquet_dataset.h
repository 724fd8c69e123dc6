// Parquet files as the Hub stores data sets: a column of pictures (struct of bytes and path, bytes,
// or path) and one of captions (text or list of texts), in any number of files.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace sdxl {

bool is_parquet_name(const std::string& name);

/// `files` relative to `root`, their rows one after the other. Pictures that are given by path lie
/// below `root`.
std::unique_ptr<Dataset> open_parquet(const std::filesystem::path& root,
                                      const std::vector<std::string>& files,
                                      const DatasetOptions& options);

}  // namespace sdxl
