// Lists the files of a folder.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sdxl {

/// Every regular file in `folder` and below it, as paths relative to it, ordered by their bytes.
/// Leaves out names that begin with "." or "__". Follows links, and visits a directory once however
/// many links lead to it. Error(kFileError) for a directory that cannot be read.
std::vector<std::string> list_files(const std::filesystem::path& folder);

}  // namespace sdxl
