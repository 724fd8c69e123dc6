// The members of a plain tar file and where they lie in it, by libarchive. Nothing is ever written
// to disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace sdxl {

struct TarMember {
  std::string name;
  uint64_t offset = 0, size = 0;  ///< Of the content, in the file.
};

/// Calls `take` for every regular file in the order of the archive; links, devices and directories
/// are passed over. Error(kBadData) that names the file for what is no plain tar.
void scan_tar(const std::filesystem::path& path, const std::function<void(const TarMember&)>& take);

}  // namespace sdxl
