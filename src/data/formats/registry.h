// Opens a data set of any format. A format is one source in this folder and one line in
// registry.cc.
#pragma once

#include <memory>

#include "data/dataset.h"

namespace sdxl {

/// Opens the folder or zip file `options.path` as the format that most of its files have. Its notes
/// say which format that is if files of others are left out. Error(kBadData) if there is nothing to
/// train on: no pictures, no captions, or metadata that cannot be read. Single rows that cannot be
/// trained on stay: reading them fails, or they are in unusable().
std::unique_ptr<Dataset> open_dataset(const DatasetOptions& options);

}  // namespace sdxl
