// Recognises weight files without reading all of them.
#pragma once

#include <filesystem>
#include <string>

namespace sdxl {

/// A short hash of a weight file, or of the weight files of a directory: names, sizes, headers and
/// samples of the data. Distinguishes a retrained checkpoint from the one that it replaced. `stem`
/// is that of the directory's files, which may be a view of a single file.
std::string weights_fingerprint(const std::filesystem::path& path, const std::string& stem);

}  // namespace sdxl
