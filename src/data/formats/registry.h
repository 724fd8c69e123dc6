// Opens a data set of any format. A format is one source in this folder and one line in
// registry.cc.
#pragma once

#include <memory>

#include "data/dataset.h"

namespace sdxl {

/// Opens the directory `options.path` with the first format that recognises one of its files.
/// Error(kBadData) if nothing in it can be trained on: no pictures, no captions, or metadata that
/// cannot be read. So are single rows without a picture or a caption, unless
/// `options.skip_bad_rows`.
std::unique_ptr<Dataset> open_dataset(const DatasetOptions& options);

}  // namespace sdxl
