// Locates the members of an uncompressed tar file (libarchive). Never extracts to disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace sdxl {

struct TarMember {
  std::string name;
  uint64_t offset = 0, size = 0;  ///< Of the content in the tar file, in bytes.
};

/// Calls `take` for every regular file in the archive's order; skips links, devices and
/// directories. Error(kBadData) names the file if it is not an uncompressed tar.
void scan_tar(const std::filesystem::path& path, const std::function<void(const TarMember&)>& take);

}  // namespace sdxl
