// WebDataset: tar files whose members of one key (the name up to the first dot of its last part)
// make a sample: a picture, and a caption in .txt, .caption, .text or a column of .json.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace sdxl {

/// .tar, and the compressed kinds that open_web_dataset() refuses by name.
bool is_tar_name(const std::string& name);

/// `files` relative to `root`, their samples one after the other. Only headers are read; a picture
/// is read from where it lies in its file. Error(kBadData) for compressed or damaged files.
std::unique_ptr<Dataset> open_web_dataset(const std::filesystem::path& root,
                                          const std::vector<std::string>& files,
                                          const DatasetOptions& options);

}  // namespace sdxl
